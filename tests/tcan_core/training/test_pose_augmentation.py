"""Errors in the poses of training samples: their rates, their seeds, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from tcan_core.conditioning.bones import MIRROR, stack_points
from tcan_core.errors import ConfigError
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.loading import load_codec
from tcan_core.puppets.world import sample_scene
from tcan_core.training.batches import ClipData
from tcan_core.training.clip_data import PuppetClips, PuppetPairs
from tcan_core.training.config import FolderData, PuppetData
from tcan_core.training.folder_data import FolderClips
from tcan_core.training.latent_data import load_latents
from tcan_core.training.pose_augmentation import PoseAugmentation, add_errors
from tcan_core.training.samples import Samples, draw_samples
from tests.tcan_core.tiny_weights import tiny_preset
from tests.tcan_core.training.test_folder_data import FRAMES, HEIGHT, WIDTH, write_clip

NONE = PoseAugmentation(share=1, lost=0, thrown=0, exchanged=0, shifted=0, jitter=0)
ALL = PoseAugmentation(share=1, lost=0.5, thrown=0.2, exchanged=0.2, shifted=0.3, jitter=0.05)


def some(count: int, seed: int = 0) -> Samples:
    return draw_samples(seed, 0, range(count))


def moving(frames: int = 16, hands: bool = False) -> list[Pose]:
    scene = sample_scene(3, frames, 64)
    poses = scene.source.poses(scene.motion)
    if not hands:
        return poses
    left, right = (np.full((21, 3), value) for value in (10.0, 20.0))
    left[:, 2] = right[:, 2] = 1
    return [replace(pose, hand_left=left, hand_right=right) for pose in poses]


def damaged(rates: PoseAugmentation, samples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return true points and those of many samples, (samples, frames, 18, 2); NaN is lost."""
    poses = moving()
    many = [
        stack_points(add_errors(rates, np.random.default_rng(seed), poses))
        for seed in range(samples)
    ]
    return stack_points(poses), np.stack(many)


def test_without_rates_poses_are_unchanged() -> None:
    truth, points = damaged(NONE, samples=5)
    np.testing.assert_allclose(points, np.broadcast_to(truth, points.shape))


def test_joints_are_lost_at_rates_up_to_the_given_one_for_several_frames() -> None:
    _, points = damaged(replace(NONE, lost=0.6, longest_frames=4))
    lost = np.isnan(points[..., 0])

    assert lost.mean() == pytest.approx(0.3, abs=0.03)
    by_sample = lost.mean(axis=(1, 2))
    assert by_sample.min() < 0.05 and 0.5 < by_sample.max() < 0.75
    assert (lost[:, 1:] & lost[:, :-1]).sum() / lost[:, 1:].sum() > 0.6  # one by one: 0.4


def test_thrown_joints_lie_anywhere_in_the_image() -> None:
    truth, points = damaged(replace(NONE, thrown=0.4))
    moved = np.abs(points - truth).max(axis=-1) > 1e-6

    assert moved.mean() == pytest.approx(0.2, abs=0.03)
    places = points[moved]
    assert 0 <= places.min() and places.max() <= 64
    np.testing.assert_allclose(places.mean(axis=0), 32, atol=1.5)


def test_arms_and_legs_are_exchanged_left_for_right_with_the_hands() -> None:
    poses = moving(hands=True)
    rates = replace(NONE, exchanged=1.0)
    arms = 0
    for seed in range(20):
        for before, after in zip(
            poses, add_errors(rates, np.random.default_rng(seed), poses), strict=True
        ):
            for joint in (Joint.LEFT_WRIST, Joint.LEFT_KNEE):
                at = after.keypoints[[joint, MIRROR[joint]]]
                same, other = (
                    before.keypoints[[joint, MIRROR[joint]]],
                    before.keypoints[[MIRROR[joint], joint]],
                )
                assert np.allclose(at, same) or np.allclose(at, other)
            exchanged = np.allclose(
                after.keypoints[Joint.LEFT_WRIST], before.keypoints[Joint.RIGHT_WRIST]
            )
            assert after.hand_left is not None and after.hand_left[0, 0] == (
                20 if exchanged else 10
            )
            arms += exchanged
            np.testing.assert_allclose(after.keypoints[Joint.NOSE], before.keypoints[Joint.NOSE])
    assert 80 < arms < 240  # of 320, at rates of 0 to 1


def test_frames_come_early_or_late_by_one() -> None:
    truth, points = damaged(replace(NONE, shifted=1.0), samples=40)
    early = late = 0
    for sample in points[:, 1:-1]:
        for index, frame in enumerate(sample, start=1):
            [shift] = [step for step in (-1, 0, 1) if np.allclose(frame, truth[index + step])]
            early, late = early + (shift == 1), late + (shift == -1)
    assert early > 40 and late > 40


def test_jitter_is_relative_to_the_height_of_the_person() -> None:
    truth, points = damaged(replace(NONE, jitter=0.1))
    height = np.ptp(truth[..., 1], axis=1).max()
    spread = (points - truth).std(axis=(1, 2, 3)) / height

    assert spread.min() < 0.01 and 0.08 < spread.max() < 0.11


def test_hands_are_lost_with_their_wrists() -> None:
    poses = moving(hands=True)
    for pose in add_errors(replace(NONE, lost=1.0), np.random.default_rng(1), poses):
        for hand, wrist in (
            (pose.hand_left, Joint.LEFT_WRIST),
            (pose.hand_right, Joint.RIGHT_WRIST),
        ):
            assert (hand is not None) == pose.detected[wrist]


def test_some_samples_keep_their_poses() -> None:
    truth, points = damaged(replace(ALL, share=0.25))
    kept = [np.allclose(one, truth) for one in points]

    assert np.mean(kept) == pytest.approx(0.75, abs=0.1)


@pytest.fixture
def codec(weights: Path) -> ImageCodec:
    return load_codec(tiny_preset(), weights)


@pytest.fixture(params=["pairs", "puppets", "folders", "stills"])
def both(
    request: pytest.FixtureRequest,
    puppet_cache: Path,
    weights: Path,
    codec: ImageCodec,
    tmp_path: Path,
) -> tuple[ClipData, ClipData]:
    """The same data without errors and with them."""
    preset, rates = tiny_preset(), (None, ALL)
    if request.param in ("pairs", "puppets"):
        data = PuppetData(
            characters=3, frames=9, size=32, consecutive=True, cache=str(puppet_cache)
        )
        puppets = load_latents(data, preset, weights, codec)
        if request.param == "pairs":
            return PuppetPairs(puppets), PuppetPairs(puppets, ALL)
        return PuppetClips(puppets, 6), PuppetClips(puppets, 6, ALL)
    write_keypoint_clip(tmp_path, "00001", 1)
    folder = FolderData(str(tmp_path), size=32)
    frames = 1 if request.param == "stills" else 6
    plain, augmented = (FolderClips(folder, frames, one) for one in rates)
    return plain, augmented


def test_mirrored_samples_of_folders_exchange_left_and_right(tmp_path: Path) -> None:
    write_keypoint_clip(tmp_path, "00001", 1)
    straight, flipped = (
        FolderClips(FolderData(str(tmp_path), size=32, flip_share=share), 6)._read(
            (32, 32), np.random.default_rng(0), []
        )
        for share in (0.0, 1.0)
    )

    assert np.array_equal(flipped[0], straight[0][:, :, ::-1])
    shown, turned = flipped[1], straight[1][:, :, ::-1]
    lines = shown.any(axis=3)
    assert np.mean(lines != turned.any(axis=3)) < 0.02  # the same body
    assert np.mean((shown != turned).any(axis=3)[lines]) > 0.5  # in the colours of its sides


def write_keypoint_clip(root: Path, name: str, seed: int) -> None:
    """Write a clip whose poses are keypoints, on the canvas of its images."""
    write_clip(root, name, seed)
    scene = sample_scene(seed, FRAMES, HEIGHT)
    offset = np.array([(HEIGHT - WIDTH) // 2, 0])
    poses = [
        [replace(pose, keypoints=pose.keypoints - offset, canvas=(HEIGHT, WIDTH))]
        for pose in scene.source.poses(scene.motion)
    ]
    write_pose_file(root / name / "poses.json", poses)


def test_errors_are_in_the_poses_alone(both: tuple[ClipData, ClipData], codec: ImageCodec) -> None:
    samples, others = some(8), some(8)
    drawn = both[0].sample(samples), both[1].sample(others)
    plain, augmented = (batch.encoded(codec) for batch in drawn)

    assert torch.equal(plain.sources, augmented.sources)
    assert torch.equal(plain.latents, augmented.latents)
    differs = (plain.drawn_poses != augmented.drawn_poses).flatten(1).any(dim=1)
    assert differs.float().mean() > 0.8
    for one, other in zip(samples, others, strict=True):  # what is drawn later is the same
        assert torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=other))


def test_errors_depend_on_the_sample_alone(
    both: tuple[ClipData, ClipData], codec: ImageCodec
) -> None:
    def poses(samples: Samples) -> Tensor:
        return both[1].sample(samples).encoded(codec).drawn_poses

    together = poses(some(8))
    alone = torch.cat([poses(draw_samples(0, 0, range(i, i + 1))) for i in range(8)])

    assert torch.equal(together, alone)
    assert not torch.equal(together, poses(some(8, seed=1)))


def test_examples_have_no_errors(both: tuple[ClipData, ClipData], codec: ImageCodec) -> None:
    plain, augmented = (data.examples(2, codec)[0] for data in both)
    assert torch.equal(plain.drawn_poses, augmented.drawn_poses)


def test_errors_need_keypoints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path, "drawn", 1)
    data = FolderData(str(tmp_path), size=32)

    with pytest.raises(ConfigError, match="no clip has keypoints, which `pose_augmentation` needs"):
        FolderClips(data, 6, ALL)

    write_keypoint_clip(tmp_path, "with keypoints", 2)
    FolderClips(data, 6, ALL)
    assert "1 of 2 clips have no keypoints, such as drawn; their poses get no errors" in caplog.text
