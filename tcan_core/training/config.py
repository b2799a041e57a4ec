"""Configuration shared by all stages: run, optimiser and data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tcan_core.errors import ConfigError

Tracker = Literal["wandb", "mlflow", "comet_ml", "aim", "clearml", "trackio"]

# Stands in for a folder of weights: the preset's own weights, shipped, pulled or imported.
OWN = "preset"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, its learning rate schedule, gradient clipping and weight averaging.

    Attributes:
        learning_rate: learning rate after warm-up.
        warmup_steps: steps of linear warm-up from 0.
        schedule: course of the rate after warm-up: "constant"; "linear" falls to a tenth, "cosine"
            along half a cosine to 0.
        decay_steps: last steps of the run, in which the rate falls; 0 keeps a linear rate, and lets
            a cosine fall from the end of warm-up.
        max_grad_norm: maximum norm of the gradient over all trained parameters.
        ema_decay: decay of the averaged weights, which are exported; 0 exports the trained ones.
        accumulation_steps: micro-batches per optimiser step.
        max_skipped_steps: number of steps of a run that are skipped because their loss or gradient
            is not finite; the next one ends the run. 0 ends it at the first.
        name: "adamw", or "adamw8bit" with 8-bit moments, which needs a GPU and the extra `cuda`.
    """

    learning_rate: float = 1e-5
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    warmup_steps: int = 500
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    decay_steps: int = 0
    max_grad_norm: float = 1.0
    ema_decay: float = 0.999
    accumulation_steps: int = 1
    max_skipped_steps: int = 0
    name: Literal["adamw", "adamw8bit"] = "adamw"

    def __post_init__(self) -> None:
        if self.schedule == "constant" and self.decay_steps:
            raise ConfigError(
                f"schedule is 'constant', but decay_steps is {self.decay_steps}; remove it, or use "
                "'linear' or 'cosine'"
            )


@dataclass(frozen=True)
class RunConfig:
    """Length, outputs and device settings of a run.

    Attributes:
        output: folder of checkpoints, scalars and sample sheets.
        export: folder for the trained parts as safetensors; parts of earlier stages are read from
            it as well.
        parts: folder of parts that `export` does not hold; None uses the preset's own weights,
            shipped, pulled or imported.
        remote: second place for `output` and `export`, updated with each checkpoint: a folder, or
            `s3://bucket/prefix`. A run on a new machine resumes from it.
        export_preset: name of a preset written next to the exported parts at the end of the run:
            the stage's preset with these parts.
        steps: total number of optimiser steps.
        batch_size: samples per micro-batch and process.
        keep_checkpoints: number of last checkpoints kept in `output`, in addition to the best by
            validation; `remote` holds the last and the best.
        checkpoint_every_s: seconds between resumable checkpoints.
        log_every: steps between reports and logged scalars.
        sheet_every: steps between sample sheets.
        trackers: where scalars are logged besides TensorBoard; each needs its own package and its
            account or address in its own environment variables.
        project: name of the project or experiment in these trackers.
        precision: autocast precision; "fp16" scales the loss and needs CUDA.
        gradient_checkpointing: recompute activations of UNets and ControlNet in the backward pass,
            which saves memory and costs time.
        threads: number of CPU threads; 0 uses torch's default.
        loaders: processes that draw the batches of coming steps, for each process that trains; 0
            draws each batch when it is needed.
    """

    output: str
    export: str
    steps: int
    batch_size: int
    parts: str | None = None
    remote: str | None = None
    export_preset: str | None = None
    seed: int = 0
    keep_checkpoints: int = 2
    checkpoint_every_s: float = 180.0
    log_every: int = 20
    sheet_every: int = 1000
    trackers: tuple[Tracker, ...] = ()
    project: str = "tcan"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    device: str = "cpu"
    threads: int = 0
    loaders: int = 0

    @property
    def part_folders(self) -> list[Path | None]:
        """Folders searched for parts of earlier stages, in order; None is the preset's own."""
        return [Path(self.export), folder_of(self.parts or OWN)]


def folder_of(place: str) -> Path | None:
    """Return the folder that a configuration names; None means the preset's own weights."""
    return None if place == OWN else Path(place)


@dataclass(frozen=True)
class PuppetData:
    """Pictures of puppets, kept in memory.

    Attributes:
        characters: number of characters; their seeds start at `first_seed`.
        frames: images per character: the first shows it standing, the others moving.
        consecutive: whether the moving images are consecutive frames or randomly chosen.
    """

    characters: int = 1000
    frames: int = 4
    first_seed: int = 0
    consecutive: bool = False
    size: int = 64
    cache: str = "runs/cache"


@dataclass(frozen=True)
class ShardData:
    """Encoded clips that `tcan data prepare` made.

    Attributes:
        root: a folder, or `s3://bucket/prefix`.
        split: "train", or "validation" for the held-out videos.
        cache: folder for downloaded shards.
    """

    root: str
    split: Literal["train", "validation"] = "train"
    cache: str = "runs/cache"


@dataclass(frozen=True)
class FolderData:
    """TikTok-style clips: `<root>/<clip>/images/*` and `<root>/<clip>/dwpose/*` with equal names.

    A clip with a pose file, `<root>/<clip>/poses.json`, needs no `dwpose`: poses are drawn from it.

    Attributes:
        size: side of the square crops in pixels.
        sizes: [width, height] of the crops in place of `size`, one or several: each clip has the
            one whose aspect ratio is the nearest to its images', and each step clips of one size.
        crop_scale: range of the crop's sides as a fraction of the largest that the image holds.
        flip_share: share of the samples that are mirrored, with left and right exchanged, 0..1;
            of clips with a pose file alone, since images of poses cannot be mirrored.
        max_damaged: number of damaged images that each process skips; the next one ends the run.
        left_out: names of clips to exclude, such as those held out for tests.
        only: names of the clips to use; empty uses all except `left_out`.
    """

    root: str
    size: int = 512
    crop_scale: tuple[float, float] = (0.9, 1.0)
    flip_share: float = 0.0
    sizes: tuple[tuple[int, int], ...] = ()
    max_damaged: int = 10
    left_out: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def crop_sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of the crops in pixels."""
        return tuple((height, width) for width, height in self.sizes) or ((self.size, self.size),)

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ConfigError(
                f"crop_scale is [{low}, {high}]; it must satisfy 0 < low <= high <= 1"
            )
        if both := set(self.only) & set(self.left_out):
            raise ConfigError(
                f"{', '.join(sorted(both))}: listed in both `only` and `left_out`; remove one"
            )
