"""The codec, the pose embedding and the pose detector."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tcan_core.models.networks.pose_detector import (
    build_pose_detector,
    decode_heatmaps,
    target_heatmaps,
)
from tcan_core.models.networks.pose_embedding import PatchPoseEmbedding
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.builders import build_controlnet
from tcan_core.models.weights.loading import load_codec
from tcan_core.models.weights.presets import Preset

SIZE = 64


def test_latents_are_eight_times_smaller(tiny: Preset, weights: Path) -> None:
    codec = load_codec(tiny, weights)
    images = torch.rand(2, 3, 32, 48) * 2 - 1

    latents = codec.encode(images)

    assert (codec.factor, codec.latent_channels) == (8, 4)
    assert latents.shape == (2, 4, 4, 6)
    decoded = codec.decode(latents)
    assert decoded.shape == images.shape
    assert decoded.min() >= -1 and decoded.max() <= 1


def test_the_scaling_factor_is_applied_in_encode_and_decode(tiny: Preset, weights: Path) -> None:
    codec = load_codec(tiny, weights)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    latents, decoded = codec.encode(images), codec.decode(codec.encode(images))

    codec.vae.register_to_config(scaling_factor=0.25)  # type: ignore[no-untyped-call]

    torch.testing.assert_close(codec.encode(images), 0.25 * latents)
    torch.testing.assert_close(codec.decode(codec.encode(images)), decoded)


def test_folding_pixels_into_patches_is_lossless(tiny: Preset, weights: Path) -> None:
    codec = load_codec(tiny, weights)
    identity = ImageCodec(codec.vae, patch_size=4)
    images = torch.rand(1, 3, 32, 32)

    folded = torch.nn.functional.pixel_unshuffle(images, identity.patch_size)

    assert folded.shape == (1, 48, 8, 8)
    assert torch.equal(torch.nn.functional.pixel_shuffle(folded, 4), images)


def test_the_pose_embedding_starts_at_zero(tiny: Preset) -> None:
    pose_maps = torch.rand(2, 3, 32, 48)

    assert torch.equal(PatchPoseEmbedding(8, 6, 10)(pose_maps), torch.zeros(2, 10, 4, 6))
    embedding = build_controlnet(tiny).controlnet_cond_embedding
    assert embedding(pose_maps).shape == (2, 8, 4, 6)


def test_heatmaps_of_true_joints_decode_to_them() -> None:
    torch.manual_seed(0)
    keypoints = 6 + (SIZE - 12) * torch.rand(20, 18, 2)

    heat = target_heatmaps(keypoints, SIZE, SIZE)
    decoded, confidence = decode_heatmaps(torch.logit(heat, eps=1e-6))

    assert heat.shape == (20, 18, SIZE // 2, SIZE // 2)
    assert (decoded - keypoints).norm(dim=-1).max() < 0.15
    assert confidence.min() > 0.75


def test_a_joint_outside_the_image_leaves_its_map_empty() -> None:
    heat = target_heatmaps(torch.tensor([[[-20.0, 30.0], [30.0, 90.0]]]), SIZE, SIZE)

    assert heat.max() < 1e-6
    assert decode_heatmaps(torch.logit(heat, eps=1e-6))[1].max() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 64)])
def test_the_detector_gives_a_map_for_each_joint(tiny: Preset, height: int, width: int) -> None:
    logits = build_pose_detector(tiny)(torch.zeros(2, 3, height, width))

    assert logits.shape == (2, 18, height // 2, width // 2)
