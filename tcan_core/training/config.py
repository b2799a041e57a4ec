"""What every training configuration shares: the run, the optimiser, the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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


@dataclass(frozen=True)
class RunConfig:
    """How long a run lasts and what it leaves behind.

    Attributes:
        output: folder of checkpoints, scalars and sheets.
        export: folder that receives the trained parts as safetensors, and from which earlier
            stages' parts are read.
        steps: optimiser steps in all.
        checkpoint_every_s: seconds between resumable checkpoints.
        sheet_every: steps between sample sheets.
        precision: of autocast; "fp16" scales the loss and needs CUDA.
        threads: CPU threads; 0 leaves the choice to torch.
    """

    output: str
    export: str
    steps: int
    batch_size: int
    seed: int = 0
    checkpoint_every_s: float = 180.0
    log_every: int = 20
    sheet_every: int = 1000
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = "cpu"
    threads: int = 0


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
class FolderData:
    """TikTok-style clip folders: `<root>/<clip>/images/*` and `<root>/<clip>/dwpose/*`."""

    root: str
    size: int = 512
    num_frames: int = 16
    crop_scale: tuple[float, float] = field(default=(0.9, 1.0))
