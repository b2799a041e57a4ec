"""Sections of a preset besides its parts: sampling, reference, schedule and skeleton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SamplingDefaults:
    """Default sampling settings of a preset.

    Attributes:
        spacing: "trailing" timesteps start at 999; "leading" ones end at 1, as in SD 1.5's code.
        original_inference_steps: for "lcm": steps of the schedule that it skips through.
        context_size: frames in a window.
        windows: "shift" moves the last window back to end on the last frame; "wrap" continues it
            with the first frames.
        fusion: weights of overlapping windows.
        controlnet: frames that the ControlNet sees together: those of a "window", or "blocks" of
            `context_size` frames that do not overlap.
        noise: "tiled" repeats that of the first `context_size` frames; the video is padded by its
            last frame to whole tiles.
    """

    num_inference_steps: int = 25
    guidance_scale: float = 7.5
    context_size: int = 16
    context_overlap: int = 4
    scheduler: str = "ddim"
    spacing: Literal["trailing", "leading"] = "trailing"
    original_inference_steps: int = 50
    windows: Literal["shift", "wrap"] = "shift"
    fusion: Literal["pyramid", "flat"] = "pyramid"
    controlnet: Literal["window", "blocks"] = "window"
    noise: Literal["independent", "freenoise", "tiled"] = "independent"


@dataclass(frozen=True)
class ReferenceUse:
    """The use of the source image's features.

    Attributes:
        blocks: blocks whose self-attention sees them: "mid_up", or "all" with the down blocks.
        timestep: timestep at which they are read: that of "each" step, or "zero", once.
    """

    blocks: Literal["mid_up", "all"] = "mid_up"
    timestep: Literal["each", "zero"] = "each"


@dataclass(frozen=True)
class ScheduleSettings:
    """The noise schedule of training, over 1000 steps from 0.00085 to 0.012.

    Attributes:
        beta_schedule: "linear", or "scaled_linear": linear square roots.
        zero_terminal_snr: whether the last timestep is pure noise.
    """

    beta_schedule: Literal["linear", "scaled_linear"] = "linear"
    zero_terminal_snr: bool = False


@dataclass(frozen=True)
class SkeletonStyle:
    """The drawing of poses, as the preset's networks were trained on.

    Attributes:
        hands, face: whether they are drawn if a pose has them.
        swap_channels: whether red and blue are swapped.
        limb_width: "fixed", or by the limb's "length": one pixel more with each doubling.
    """

    hands: bool = True
    face: bool = True
    swap_channels: bool = False
    limb_width: Literal["fixed", "length"] = "fixed"
