"""Settings of one animation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict, get_args

from tcan_core.conditioning.root_motion import RootMotion
from tcan_core.errors import ParameterError
from tcan_core.models.weights.preset_sections import SamplingDefaults
from tcan_core.models.weights.presets import Preset
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.fusion import FusionKind
from tcan_core.sampling.noise import NoiseKind

PTM_TAU = 3.0
_MINIMUM = {"ptm_tau": 0, "guidance_scale": 0, "cache_interval": 1, "decode_batch": 1}
_KINDS = {
    "fusion": get_args(FusionKind),
    "noise": get_args(NoiseKind),
    "root_motion": get_args(RootMotion),
}


class _Placing(TypedDict):
    retarget: bool
    root_motion: RootMotion


@dataclass(frozen=True)
class AnimateSettings:
    """Settings of one animation; None takes the preset's value.

    Attributes:
        seed: seed of the initial noise, at least 0.
        num_inference_steps: denoising steps, 1..1000.
        guidance_scale: scale, at least 0; 1 skips the unconditional prediction: half the time.
        context_size: frames in a window; at most the positions of the motion modules.
        context_overlap: frames that neighbouring windows share; the preset's value is reduced for
            small windows.
        ptm_tau: strength of the pose-driven temperature, at least 0; 0 disables it. Presets that
            take maps have none, others have 3.
        retarget: whether poses are adapted to the limb lengths of the character in the image.
        root_motion: how a retargeted figure moves in its picture: "full", "bounded" so that it
            stays as far inside as the driving person does, or "none".
        scheduler: "ddim", "dpm++2m", "ays", "lcm", or a scheduler class of diffusers.
        cache_interval: the whole network runs once in this many steps; 1 is every step. The steps
            between reuse cached deep features: faster, not exact, and without checkpoints.
        fusion: weights of overlapping windows, "pyramid" or "flat".
        noise: initial noise: "independent" per frame, the "freenoise" shuffle, or "tiled".
        window_batch: windows per forward pass; changes memory and time, not the result.
        decode_batch: frames decoded together, at least 1; changes memory and time only.
    """

    seed: int = 0
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    context_size: int | None = None
    context_overlap: int | None = None
    ptm_tau: float | None = None
    retarget: bool = True
    root_motion: RootMotion = "bounded"
    scheduler: str | None = None
    cache_interval: int = 1
    fusion: FusionKind | None = None
    noise: NoiseKind | None = None
    window_batch: int = 1
    decode_batch: int = 16

    def __post_init__(self) -> None:
        for name, minimum in _MINIMUM.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ParameterError(f"{name} is {value}; it must be at least {minimum}")
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if value is not None and value not in kinds:
                raise ParameterError(f"{name} is {value!r}; it must be {' or '.join(kinds)}")

    @property
    def placing(self) -> _Placing:
        """How driving poses are placed in the image: keyword arguments of `PoseDrawer.place`."""
        return {"retarget": self.retarget, "root_motion": self.root_motion}

    def sampling(self, preset: Preset) -> SamplingDefaults:
        """Return the preset's sampling parameters, replaced by those that are set here."""
        chosen: dict[str, Any] = {
            name: value
            for name, value in asdict(self).items()
            if value is not None and hasattr(preset.sampling, name)
        }
        if self.context_overlap is None:
            largest = max(chosen.get("context_size", preset.sampling.context_size) - 1, 0)
            chosen["context_overlap"] = min(preset.sampling.context_overlap, largest)
        return replace(preset.sampling, **chosen)

    def temperature(self, preset: Preset) -> float:
        """Return the strength of the pose-driven temperature.

        Raises:
            ParameterError: it is requested, but the preset takes maps, which cover all pixels.
        """
        if preset.condition == "poses":
            return PTM_TAU if self.ptm_tau is None else self.ptm_tau
        if self.ptm_tau:
            raise ParameterError(
                f"ptm_tau is {self.ptm_tau}; it must be 0 for {preset.name}, whose maps show no "
                "background from which a distance to the body could be measured"
            )
        return 0.0

    def windows(self, num_frames: int, preset: Preset) -> list[list[int]]:
        """Return the frame indices of each window of a video.

        Raises:
            ParameterError: a window has more frames than the motion modules have positions.
        """
        chosen = self.sampling(preset)
        size, overlap = chosen.context_size, chosen.context_overlap
        windows = context_windows(num_frames, size, overlap, chosen.windows)
        if len(windows[0]) > preset.max_context_size:
            raise ParameterError(
                f"context_size is {size}; the motion modules of "
                f"{preset.name} take at most {preset.max_context_size} frames"
            )
        return windows
