"""What every training configuration shares: the run, the optimiser, the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tcan_core.errors import ConfigError

# In place of a folder to begin from: the preset's own weights, shipped, pulled or imported.
OWN = "preset"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and what surrounds a step.

    Attributes:
        learning_rate: after warm-up.
        warmup_steps: linear rise from 0.
        decay_steps: linear fall to a tenth at the end of the run; 0 for a constant rate.
        max_grad_norm: gradients of all trained parameters together are clipped to this norm.
        ema_decay: of the averaged weights that are exported; 0 exports the trained ones.
        accumulation_steps: micro-batches per step.
        name: "adamw", or "adamw8bit", which keeps its moments in 8 bits and needs a GPU and the
            extra `cuda`.
    """

    learning_rate: float = 1e-5
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    warmup_steps: int = 500
    decay_steps: int = 0
    max_grad_norm: float = 1.0
    ema_decay: float = 0.999
    accumulation_steps: int = 1
    name: Literal["adamw", "adamw8bit"] = "adamw"


@dataclass(frozen=True)
class RunConfig:
    """How long a run lasts and what it leaves behind.

    Attributes:
        output: folder of checkpoints, scalars and sheets.
        export: folder that receives the trained parts as safetensors, and from which earlier
            stages' parts are read.
        parts: folder from which parts are read that `export` does not hold; None takes the preset's
            own: shipped, pulled or imported.
        remote: where `output` and `export` are kept as well, with each checkpoint: a folder, or
            `s3://bucket/prefix`. A run on a fresh machine goes on with what lies there.
        export_preset: name of a preset that is written beside the exported parts when the run ends:
            the stage's own preset with these parts in it.
        steps: optimiser steps in all.
        batch_size: samples per micro-batch and process.
        checkpoint_every_s: seconds between resumable checkpoints.
        sheet_every: steps between sample sheets.
        precision: of autocast; "fp16" scales the loss and needs CUDA.
        gradient_checkpointing: recompute activations of UNets and ControlNet in the backward pass:
            less memory for more time.
        threads: CPU threads; 0 leaves the choice to torch.
    """

    output: str
    export: str
    steps: int
    batch_size: int
    parts: str | None = None
    remote: str | None = None
    export_preset: str | None = None
    seed: int = 0
    checkpoint_every_s: float = 180.0
    log_every: int = 20
    sheet_every: int = 1000
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    device: str = "cpu"
    threads: int = 0

    @property
    def part_folders(self) -> list[Path | None]:
        """Where parts of earlier stages are looked for, in this order; None is the preset's own."""
        return [Path(self.export), folder_of(self.parts or OWN)]


def folder_of(place: str) -> Path | None:
    """Return the folder that a configuration begins from; None is the preset's own weights."""
    return None if place == OWN else Path(place)


@dataclass(frozen=True)
class PuppetData:
    """Pictures from the puppet world, kept in memory.

    Attributes:
        characters: how many characters; their seeds run from `first_seed`.
        frames: pictures of each character: the first is a stance, the others come from its motion.
        consecutive: whether those others are consecutive frames (a clip) or spread at random.
    """

    characters: int = 1000
    frames: int = 4
    first_seed: int = 0
    consecutive: bool = False
    size: int = 64
    cache: str = "runs/cache"


@dataclass(frozen=True)
class ShardData:
    """Clips that `tcan data prepare` has cut, looked at and encoded.

    Attributes:
        root: a folder, or `s3://bucket/prefix`.
        split: "train", or "validation" for the videos that were set aside.
        cache: folder for what comes from elsewhere.
    """

    root: str
    split: Literal["train", "validation"] = "train"
    cache: str = "runs/cache"


@dataclass(frozen=True)
class FolderData:
    """TikTok-style clips: `<root>/<clip>/images/*`, and `<root>/<clip>/dwpose/*` by the same names.

    Attributes:
        size: side of the square crops in pixels.
        crop_scale: the crop's side as a share of the picture's shorter side, drawn between the two.
        left_out: names of clips that are kept for tests.
        only: names of the clips that are taken; none takes all but those left out.
    """

    root: str
    size: int = 512
    crop_scale: tuple[float, float] = (0.9, 1.0)
    left_out: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ConfigError(f"crop_scale is {low}..{high}; it must rise and lie in 0..1")
        if both := set(self.only) & set(self.left_out):
            raise ConfigError(f"{', '.join(sorted(both))}: both in `only` and in `left_out`")
