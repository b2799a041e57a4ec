"""The data of an explanation: one window of an animation, at one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tcan_core.errors import ParameterError
from tcan_core.explain.points import Point, Track
from tcan_core.explain.recording import Weights
from tcan_core.explain.wrong_poses import WrongPose
from tcan_core.pipelines.fitting import Fit

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Choice:
    """The part of a run to explain.

    Attributes:
        step: denoising step, from 1; None is the middle one.
        window: context window, from 1; None is the middle one.
        points: points for attention over time; none chooses some of person and background.
    """

    step: int | None = None
    window: int | None = None
    points: Sequence[Point] = ()

    def step_of(self, steps: int) -> int:
        """Return the step. Raises ParameterError if there is none of this number."""
        return _chosen("step", self.step, steps)

    def window_of(self, windows: int) -> int:
        """Return the window. Raises ParameterError if there is none of this number."""
        return _chosen("window", self.window, windows)


def _chosen(name: str, value: int | None, count: int) -> int:
    if value is None:
        return (count + 1) // 2
    if not 1 <= value <= count:
        raise ParameterError(f"{name} is {value}; it must lie in 1..{count} for this animation")
    return value


@dataclass(frozen=True)
class Facts:
    """Which run, step and window an explanation is of; steps and windows count from 1."""

    preset: str
    seed: int
    step: int
    steps: int
    timestep: float
    window: int
    windows: int
    guidance_scale: float
    ptm_tau: float


@dataclass(frozen=True)
class TemporalAttention:
    """How the frames of the window attend to each other at each point.

    Attributes:
        layers: names of the denoising UNet's temporal attentions, in the order of a pass.
        weights: (layers, points, frames, frames), means over heads; row f has the weights with
            which frame f takes the others, with sum 1.
        without_ptm: the same with the temperature off in all layers; None if the run has none.
    """

    layers: list[str]
    weights: Weights
    without_ptm: Weights | None


@dataclass(frozen=True)
class ReferenceAttention:
    """The places in the source picture at which the cells of each frame look.

    Attributes:
        layer: name of the denoising UNet's self-attention.
        size: (rows, columns) of cells of the model's picture.
        weights: by frame of the window, (cells, source cells), means over heads.
    """

    layer: str
    size: tuple[int, int]
    weights: list[Weights]


@dataclass(frozen=True)
class Pull:
    """How far one part moves the prediction.

    Attributes:
        maps: (frames, h, w), root mean square over channels of the difference with and without it.
        relative: root mean square of the difference as a fraction of the prediction's.
    """

    maps: Weights
    relative: float


@dataclass(frozen=True)
class Explanation:
    """All maps of one window at one step; the window's frames are meant wherever frames are.

    Attributes:
        fit: how the caller's picture lies in the model's, whose right and lower border are padded.
        source: (height, width, 3) uint8.
        window: indices of the frames in the video.
        frames: (height, width, 3) uint8 each, the result.
        tracks: joints to follow; none without poses.
        temperature: (height, width) of the model's picture, at least 1; None without PTM.
        temporal: None without motion modules.
        wrong_pose: None without poses or temporal layers in the ControlNet.
        guidance: conditional less unconditional prediction.
        lora: conditional prediction with less without the LoRA; None if there is no LoRA.
    """

    facts: Facts
    fps: Fraction
    fit: Fit
    source: Frames
    window: list[int]
    frames: list[Frames]
    points: list[Point]
    tracks: list[Track]
    temperature: Weights | None
    temporal: TemporalAttention | None
    reference: ReferenceAttention
    wrong_pose: WrongPose | None
    guidance: Pull
    lora: Pull | None
