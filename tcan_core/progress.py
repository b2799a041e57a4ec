"""Progress of a job's work as the model reports it; without torch, for all who pass it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


Stage = Literal["prepare", "encode", "denoise", "decode"]
Picture = Callable[[], NDArray[np.uint8] | None]


class RunState(Protocol):
    """The state of a run after a step; later steps do not change it."""

    def save(self, file: Path) -> None:
        """Write it to a file from which a run can resume."""


@dataclass(frozen=True)
class AnimateProgress:
    """The progress of one stage.

    Attributes:
        step: current step within the stage, 1..`steps`.
        window: windows done of `windows` in this step; 0 of 0 outside of denoising.
        fraction: 0..1 of the stage.
        preview: while denoising, the network's guess of the latents (channels, frames, h, w), or
            None.
        picture: the middle frame of that guess, (height, width, 3) uint8 RGB in the image's size;
            by the preset's preview decoder if it has one.
        state: returns the state from which a run can resume; None except after a denoising step.
            All three callables are valid only during the call that receives them.
    """

    stage: Stage
    step: int
    steps: int
    window: int = 0
    windows: int = 0
    fraction: float = 0.0
    preview: Callable[[], Tensor | None] = lambda: None
    picture: Picture = lambda: None
    state: Callable[[], RunState] | None = None


ProgressCallback = Callable[[AnimateProgress], None]
