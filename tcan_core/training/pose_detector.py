"""Training of the puppets' pose detector, with empty backgrounds as negatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from media.poses.keypoints import Pose
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.models.networks.pose_detector import (
    build_pose_detector,
    decode_heatmaps,
    target_heatmaps,
)
from tcan_core.models.weights.presets import load_preset
from tcan_core.puppets.background import draw_background
from tcan_core.training.checkpoint import export_part
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.drawing import Drawing
from tcan_core.training.puppet_data import PuppetPictures, load_puppets, to_images
from tcan_core.training.samples import Samples, numpy_generators
from tcan_core.training.sheets import fixed_choice, tile

SHEET_PICTURES = 16
_JPEG_QUALITY = (35, 95)
_PEAK_WEIGHT = 20.0


@dataclass(frozen=True)
class PoseDetectorConfig:
    """Configuration of `tcan train pose-detector`.

    Attributes:
        empty_share: fraction of images without a character, 0..1.
        compressed_share: fraction of images with JPEG artefacts, as frames of a video have, 0..1.
    """

    preset: str
    run: RunConfig
    data: PuppetData = field(default_factory=PuppetData)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    empty_share: float = 0.1
    compressed_share: float = 0.6


@dataclass(frozen=True)
class PoseBatch:
    """A micro-batch of pictures with keypoints.

    Attributes:
        pictures: (batch, height, width, 3) uint8 RGB.
        keypoints: (batch, 18, 2) float32, pixels.
        empty: (batch,) bool, True for pictures without a character.
    """

    pictures: NDArray[np.uint8]
    keypoints: Tensor
    empty: Tensor


@dataclass(frozen=True)
class PoseDrawing(Drawing):
    """Draws pictures of puppets, moved and compressed, and empty backgrounds.

    Attributes:
        empty_share: fraction of images without a character, 0..1.
        compressed_share: fraction of images with JPEG artefacts, 0..1.
    """

    puppets: PuppetPictures
    empty_share: float
    compressed_share: float

    def draw(self, samples: Samples) -> PoseBatch:
        """Return the micro-batch of these samples."""
        drawn = [self._picture(rng) for rng in numpy_generators(samples)]
        pictures, keypoints, empty = (np.stack(part) for part in zip(*drawn, strict=True))
        return PoseBatch(pictures, torch.from_numpy(keypoints), torch.from_numpy(empty))

    def names(self, samples: Samples) -> list[str]:
        """Return the puppet that `draw` draws for each sample."""
        count = len(self.puppets)
        return [f"puppet {rng.integers(count)}" for rng in numpy_generators(samples)]

    def _picture(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], np.bool_]:
        _, frames, size = self.puppets.images.shape[:3]
        character, frame = rng.integers(len(self.puppets)), rng.integers(frames)
        keypoints = np.array(self.puppets.keypoints[character, frame])
        empty = np.bool_(rng.uniform() < self.empty_share)
        if empty:
            picture = draw_background(rng, size)
        else:
            picture, keypoints = _moved(self.puppets.images[character, frame], keypoints, rng)
        if rng.uniform() < self.compressed_share:
            picture = _compressed(picture, int(rng.integers(*_JPEG_QUALITY)))
        return picture, keypoints, empty


class PoseDetectorStage:
    """Training of the pose detector on single images."""

    validation = None
    base: tuple[str, ...] = ()
    pictures: PuppetPictures
    drawing: PoseDrawing

    def __init__(self, config: PoseDetectorConfig) -> None:
        self.config, self._device = config, config.run.device
        torch.manual_seed(config.run.seed)
        self.preset = load_preset(config.preset)
        self.detector = build_pose_detector(self.preset).to(config.run.device)
        self.trained = nn.ModuleDict({"pose_detector": self.detector})

    def open_data(self) -> None:
        """Open the puppets."""
        config = self.config
        self.pictures = load_puppets(config.data)
        self.drawing = PoseDrawing(self.pictures, config.empty_share, config.compressed_share)

    def loss(self, batch: PoseBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the heatmaps' cross entropy, with higher weight on peaks, and the pixel error."""
        target = target_heatmaps(batch.keypoints, *batch.pictures.shape[1:3])
        target[batch.empty] = 0
        target, keypoints = target.to(self._device), batch.keypoints.to(self._device)
        logits = self.detector(to_images(batch.pictures).to(self._device)).float()
        weight = 1 + _PEAK_WEIGHT * target
        loss = (
            weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        ).mean()
        seen = ~batch.empty
        predicted, _ = decode_heatmaps(logits.detach()[seen])
        return loss, {"pixels": float((predicted - keypoints[seen]).norm(dim=-1).median())}

    def sheet(self) -> NDArray[np.uint8]:
        """Return rows of images, detected skeletons and true skeletons."""
        chosen = fixed_choice(len(self.pictures), SHEET_PICTURES)
        pictures = self.pictures.images[chosen, 1]
        size = pictures.shape[1]
        logits = self.detector(to_images(pictures).to(self._device)).cpu()
        keypoints, confidence = decode_heatmaps(logits)
        truth = self.pictures.keypoints[chosen, 1].astype(np.float64)
        detected = [
            draw_pose(Pose(joints.double().numpy(), scores.double().numpy(), (size, size)))
            for joints, scores in zip(keypoints, confidence, strict=True)
        ]
        drawn = [draw_pose(Pose(joints, np.ones(len(joints)), (size, size))) for joints in truth]
        return tile([pictures, np.stack(detected), np.stack(drawn)])

    def export(self, folder: Path) -> None:
        """Write pose_detector.safetensors."""
        export_part(folder / "pose_detector.safetensors", self.detector.state_dict())


def _moved(
    picture: NDArray[np.uint8], keypoints: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Scale and shift an image together with its keypoints."""
    size = picture.shape[0]
    scale = rng.uniform(0.8, 1.15)
    shift = (1 - scale) * size / 2 + rng.uniform(-0.1, 0.1, 2) * size
    # cv2 has pixel centres at integers, keypoints have them at half-integers.
    matrix = np.array(
        [[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]]
    )
    moved = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8), (scale * keypoints + shift).astype(np.float32)


def _compressed(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
