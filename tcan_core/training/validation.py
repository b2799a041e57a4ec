"""Validation on held-out clips during training."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from media.contact_sheet import contact_sheet
from media.image import write_png
from media.video_writer import VideoWriter
from tcan_core.evaluation import metrics
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.truth import finite_or_none
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.part_files import PartFolders
from tcan_core.models.weights.presets import Preset
from tcan_core.training.batches import ClipBatch, ClipData
from tcan_core.training.clip_data import ClipSource, open_clip_data
from tcan_core.training.distributed import rank
from tcan_core.training.sampled_images import sample_images
from tcan_core.training.shard_data import usable_clips
from tcan_core.training.sheets import as_pictures, maps_as_pictures

_FPS = Fraction(12)  # of the written clips
_SHEET_FRAMES = 6
NO_CLIPS = "%s has no clip of split %r that is long enough; training continues without validation"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ValidationConfig(ClipSource):
    """Configuration of validation; its clips should not be used for training.

    Attributes:
        every: steps between validations.
        clips: number of clips.
        num_inference_steps: denoising steps; None uses the preset's.
        guidance_scale: guidance scale; None uses the preset's.
        patience: validations in a row without a better PSNR in the moving region, after which the
            run ends; 0 lets it go on to its last step.
    """

    every: int = 1000
    clips: int = 4
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    patience: int = 0


class ClipValidation:
    """Animation of held-out clips and comparison with the original frames."""

    def __init__(
        self, config: ValidationConfig, tcan: Tcan, preset: Preset, data: ClipData
    ) -> None:
        self.every, self.patience = config.every, config.patience
        self._config, self._tcan, self._preset = config, tcan, preset
        self._batch, self._pictures = data.examples(config.clips, tcan.codec)

    def __call__(self, folder: Path) -> dict[str, float]:
        """Write the clips as mp4, `sheet.png` and `metrics.json`; return the mean metrics."""
        folder.mkdir(parents=True, exist_ok=True)
        rows, labels = list[list[Frames]](), list[str]()
        measured = []
        for index, pictures in enumerate(self._pictures):
            batch = ClipBatch(*(part[index : index + 1] for part in self._batch))
            result, truth = self._animate(batch), pictures[1:]
            measured.append(measure(pictures[0], truth, result))
            if len(result) > 1:
                _write_clip(folder / f"{index:02d}.mp4", truth, result)
            maps = maps_as_pictures(batch.pose_maps[0].transpose(0, 1))
            numbers = np.linspace(0, len(truth) - 1, min(_SHEET_FRAMES, len(truth))).astype(int)
            for label, frames in (("poses", maps), ("result", result), ("truth", truth)):
                rows.append([pictures[0], *(frames[number] for number in numbers)])
                labels.append(f"{index:02d} {label}")
        write_png(folder / "sheet.png", contact_sheet(rows, labels, titles=["source"]))
        (folder / "metrics.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
        return _means(measured)

    def _animate(self, batch: ClipBatch) -> Frames:
        sampling, config = self._preset.sampling, self._config
        steps, scale = config.num_inference_steps, config.guidance_scale
        return as_pictures(
            sample_images(
                self._tcan,
                self._preset,
                batch.pose_maps,
                batch.sources,
                sampling.guidance_scale if scale is None else scale,
                steps or sampling.num_inference_steps,
            )
        )


def open_validation(
    config: ValidationConfig | None, tcan: Tcan, num_frames: int, preset: Preset, parts: PartFolders
) -> ClipValidation | None:
    """Open the held-out clips if the configuration names any.

    If prepared data has no validation clip, a warning is logged and validation is skipped.

    Raises:
        ConfigError: a folder or the puppets have no clip of `num_frames` frames.
    """
    if config is None:
        return None
    if config.shards is not None and not usable_clips(config.shards, num_frames):
        if rank() == 0:
            log.warning(NO_CLIPS, config.shards.root, config.shards.split)
        return None
    data = open_clip_data(config, num_frames, preset, parts, tcan.codec)
    return ClipValidation(config, tcan, preset, data)


def measure(source: Frames, truth: Frames, result: Frames) -> dict[str, float | None]:
    """Return the metrics of one clip, and the PSNR of the repeated source image.

    Args:
        source: the source image, (height, width, 3).
        truth: the original frames, (frames, height, width, 3).
        result: the animated frames, of the same shape as `truth`.
    """
    moving = metrics.moving_region_mask(source, truth)
    still = np.repeat(source[None], len(truth), axis=0)
    values = {
        "l1": metrics.l1(result, truth),
        "psnr": metrics.psnr(result, truth),
        "ssim": metrics.ssim(result, truth),
        "moving_region_psnr": metrics.moving_region_psnr(result, truth, moving),
        "repeat_source_moving_region_psnr": metrics.moving_region_psnr(still, truth, moving),
    }
    if len(truth) > 2:
        values["flicker"] = metrics.flicker(result, truth, moving)
    return {name: finite_or_none(value) for name, value in values.items()}


def _means(measured: list[dict[str, float | None]]) -> dict[str, float]:
    means = {}
    for name in measured[0]:
        values = [value for clip in measured if (value := clip[name]) is not None]
        if values:
            means[name] = float(np.mean(values))
    return means


def _write_clip(path: Path, truth: Frames, result: Frames) -> None:
    """Write result and truth side by side."""
    both = np.concatenate([result, truth], axis=2)
    with VideoWriter(path, _FPS, (both.shape[1], both.shape[2])) as writer:
        for frame in both:
            writer.write(frame)
