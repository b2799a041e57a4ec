"""Animate one picture: image and poses to frames.

The pipeline is six verbs: fit, encode, place, draw, denoise, decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.conditioning.pose_maps import DrawnPoseMaps, PoseMaps
from tcan_core.distributed.process_group import ProcessGroup, SingleProcess
from tcan_core.errors import CanceledError as CanceledError
from tcan_core.errors import ParameterError
from tcan_core.models.caches.deep_features import DeepFeatureCache
from tcan_core.models.networks.attention import check_kernel
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.drawing import PoseDrawer
from tcan_core.pipelines.fitting import Fit
from tcan_core.pipelines.offload import Offloader
from tcan_core.pipelines.window_predictor import WindowPredictor
from tcan_core.progress import AnimateProgress, ProgressCallback
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoise import DenoiseProgress, denoise
from tcan_core.sampling.fusion import FusionKind
from tcan_core.sampling.noise import NoiseKind, initial_noise
from tcan_core.sampling.schedulers import NoiseSchedule, build_scheduler
from tcan_core.sampling.state import DenoiseState

Frames = NDArray[np.uint8]
Canceled = Callable[[], bool]


@dataclass(frozen=True)
class AnimateSettings:
    """What a caller may choose; None takes the preset's value.

    Attributes:
        seed: of the initial noise, at least 0.
        num_inference_steps: denoising steps, 1..1000.
        guidance_scale: at least 0; 1 computes no unconditional half and takes half the time.
        context_size: frames in a window; at most as many as the motion modules have positions.
        context_overlap: frames that neighbouring windows share; the preset's fits itself to a
            small window.
        ptm_tau: strength of the pose-driven temperature, at least 0; 0 switches it off.
        retarget: whether the driver's limbs take the source character's lengths.
        scheduler: "ddim", "dpm++2m", "ays", "lcm", or a scheduler class of diffusers.
        cache_interval: every how many steps the whole network runs; 1 is always. With more, the
            deep features of the step before are used between: faster and not exact. A run can go
            on from every such step only.
        fusion: how overlapping windows are weighted, "pyramid" or "flat".
        noise: initial noise, "independent" per frame or the "freenoise" shuffle.
        window_batch: windows per forward pass; changes memory and time, not the result.
        decode_batch: frames decoded together, at least 1; likewise.
    """

    seed: int = 0
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    context_size: int = 16
    context_overlap: int | None = None
    ptm_tau: float = 3.0
    retarget: bool = True
    scheduler: str | None = None
    cache_interval: int = 1
    fusion: FusionKind = "pyramid"
    noise: NoiseKind | None = None
    window_batch: int = 1
    decode_batch: int = 16

    def __post_init__(self) -> None:
        least = {"ptm_tau": 0, "guidance_scale": 0, "cache_interval": 1, "decode_batch": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise ParameterError(f"{name} is {value}; it must be at least {bound}")
        for name, kinds in (("fusion", get_args(FusionKind)), ("noise", get_args(NoiseKind))):
            value = getattr(self, name)
            if value is not None and value not in kinds:
                raise ParameterError(f"{name} is {value!r}; it must be {' or '.join(kinds)}")


class AnimatePipeline:
    """TCAN, ready to run; not for use by two threads at once."""

    def __init__(
        self,
        tcan: Tcan,
        preset: Preset,
        device: str = "cpu",
        options: RuntimeOptions | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        self.preset = preset
        self.device = device
        self.group: ProcessGroup = group or SingleProcess()
        options = options or RuntimeOptions()
        self.tcan = set_up(tcan, options)
        self._offloader = Offloader(self.tcan, device, offload=options.offload)
        self._drawer = PoseDrawer(preset, self.tcan.codec.factor)

    @classmethod
    def from_preset(
        cls,
        name: str,
        device: str = "cpu",
        *,
        motion: bool = True,
        temporal_controlnet: bool = True,
        folder: Path | None = None,
        options: RuntimeOptions | None = None,
        group: ProcessGroup | None = None,
    ) -> AnimatePipeline:
        """Load a preset's weights.

        Args:
            name: of a shipped preset, or the path of a preset's YAML.
            device: of torch.
            motion: False leaves the motion modules out, as after stage 1.
            temporal_controlnet: False leaves them out of the ControlNet alone.
            folder: where the parts' safetensors lie; by default where the preset says.
            options: what costs memory or time, and changes nothing but rounding, or little.
            group: processes that share every video's windows, this one among them; all call the
                same with the same arguments.

        Raises:
            ConfigError: there is no such preset, or an option cannot be had.
            WeightsError: weights are missing or do not fit.
        """
        preset = load_preset(name)
        if options is not None:
            check_kernel(options.attention, device)
        tcan = load_tcan(preset, folder, motion, temporal_controlnet)
        return cls(tcan, preset, device, options, group)

    def __call__(
        self,
        image: Frames,
        poses: Sequence[Pose],
        *,
        source_pose: Pose | None = None,
        progress: ProgressCallback | None = None,
        canceled: Canceled | None = None,
        **settings: Any,
    ) -> Frames:
        """Return the animation, (frames, height, width, 3) uint8 RGB in the image's size.

        Args:
            image: (height, width, 3) uint8 RGB, the character.
            poses: the driver's, one per frame, in the driver's canvas.
            source_pose: the character's pose in the image; detected where needed and not given.
            progress: called for every step.
            canceled: asked before every window, and several times within it.
            settings: the fields of `AnimateSettings`.

        Raises:
            NoPersonError: nobody was found in the image, or no pose has a joint.
            ParameterError: a setting is unknown or out of its range, or there is no pose.
            CanceledError: `canceled` returned True.
        """
        unknown = sorted(set(settings) - {field.name for field in fields(AnimateSettings)})
        if unknown:
            raise ParameterError(f"unknown setting {', '.join(unknown)}")
        chosen = AnimateSettings(**settings)
        return np.stack(list(self.frames(image, poses, source_pose, chosen, progress, canceled)))

    @torch.inference_mode()
    def frames(
        self,
        image: Frames,
        poses: Sequence[Pose],
        source_pose: Pose | None,
        settings: AnimateSettings,
        progress: ProgressCallback | None = None,
        canceled: Canceled | None = None,
        resume: DenoiseState | None = None,
        maps: PoseMaps | None = None,
    ) -> Iterator[Frames]:
        """Yield the animation frame by frame as it is decoded; arguments as for a call.

        Of several processes that share the windows, all but the first yield nothing.

        Args:
            resume: where an earlier run on the same inputs and settings was broken off.
            maps: what `draw` returned for these inputs, if it was kept; of another model's size
                it is of no use and is drawn anew.

        Raises:
            CheckpointError: `resume` belongs to another kind of run.
            PeerError, PeerLostError: another process failed, or died. All else as for a call.
        """
        report = progress or (lambda _: None)
        fit = self._drawer.fit(image)

        def denoising(now: AnimateProgress) -> None:
            report(replace(now, picture=lambda: self._picture(now.preview(), fit)))

        with self.group.sync_errors():
            report(AnimateProgress("encode", 0, 1))
            ref_image_latents = self.encode(fit.to_model(image))
            if maps is None or (maps.size, len(maps)) != (fit.padded, len(poses)):
                maps = self.draw(image, poses, source_pose, settings)
            latents = self.denoise(ref_image_latents, maps, settings, denoising, canceled, resume)
        if self.group.rank:
            return  # the first process has the same latents, and decodes them
        yield from self.decode(latents, fit, settings, report, canceled)

    def draw(
        self,
        image: Frames,
        poses: Sequence[Pose],
        source_pose: Pose | None,
        settings: AnimateSettings,
    ) -> DrawnPoseMaps:
        """Return the skeletons that steer the model, in its size; arguments as for `place`."""
        return self._drawer.draw(image, poses, source_pose, retarget=settings.retarget)

    def encode(self, image: Frames) -> Tensor:
        """Return the latents (1, channels, h, w) of a picture whose sides the factor divides."""
        pixels = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        with self._offloader.codec():
            return self.tcan.codec.encode(pixels)

    def place(
        self,
        image: Frames,
        poses: Sequence[Pose],
        source_pose: Pose | None,
        settings: AnimateSettings,
    ) -> list[Pose]:
        """Bring the driver's poses into the image; see `PoseDrawer.place`."""
        return self._drawer.place(image, poses, source_pose, retarget=settings.retarget)

    def denoise(
        self,
        ref_image_latents: Tensor,
        pose_maps: PoseMaps,
        settings: AnimateSettings,
        report: ProgressCallback,
        canceled: Canceled | None,
        resume: DenoiseState | None = None,
    ) -> Tensor:
        """Return the video's latents (1, channels, frames, h, w) on the host.

        Args:
            ref_image_latents: (1, channels, h, w).
            pose_maps: the skeletons, in the model's size.
        """
        defaults, num_frames = self.preset.sampling, len(pose_maps)
        overlap = self._overlap(settings)
        windows = context_windows(num_frames, settings.context_size, overlap)
        if len(windows[0]) > self.preset.max_context_size:
            raise ParameterError(
                f"context_size is {settings.context_size}; the motion modules of "
                f"{self.preset.name} see at most {self.preset.max_context_size} frames together"
            )
        if settings.cache_interval > 1 and not self.tcan.has_motion:
            raise ParameterError(
                f"cache_interval is {settings.cache_interval}; without motion modules it must be 1,"
                " for nothing is kept then"
            )
        predict = WindowPredictor(
            self.tcan,
            ref_image_latents,
            pose_maps,
            settings.ptm_tau,
            self._guidance(settings),
            DeepFeatureCache(settings.cache_interval, windows),
            canceled if self.group.world_size == 1 else None,
        )
        steps = settings.num_inference_steps
        if steps is None:
            steps = defaults.num_inference_steps
        schedule = NoiseSchedule(prediction_type=self.preset.prediction_type)
        with self._offloader.denoising(), self.tcan.one_video():
            return denoise(
                predict,
                initial_noise(
                    num_frames,
                    ref_image_latents.shape[1:],
                    settings.seed,
                    settings.noise or defaults.noise,
                    settings.context_size,
                    overlap,
                ),
                build_scheduler(settings.scheduler or defaults.scheduler, steps, schedule),
                windows,
                prediction_type=self.preset.prediction_type,
                fusion=settings.fusion,
                window_batch=settings.window_batch,
                seed=settings.seed,
                progress=lambda now: report(_denoise_progress(now)),
                canceled=canceled,
                resume=resume,
                group=self.group,
                state_every=settings.cache_interval,
            )

    def decode(
        self,
        latents: Tensor,
        fit: Fit,
        settings: AnimateSettings,
        report: ProgressCallback,
        canceled: Canceled | None,
    ) -> Iterator[Frames]:
        """Yield frames in the caller's size, (height, width, 3) uint8, a few decoded at a time."""
        video, batch = latents[0].transpose(0, 1), settings.decode_batch
        for first in range(0, len(video), batch):
            if canceled is not None and canceled():
                raise CanceledError(f"canceled at frame {first + 1} of {len(video)}")
            pixels = self._decode(video[first : first + batch])
            yield from (fit.to_caller(frame) for frame in pixels)
            done = min(first + batch, len(video))
            report(AnimateProgress("decode", done, len(video), fraction=done / len(video)))

    def _picture(self, guess: Tensor | None, fit: Fit) -> Frames | None:
        """The middle frame of guessed latents (1, channels, frames, h, w) in the caller's size."""
        if guess is None:
            return None
        middle = guess[:, :, guess.shape[2] // 2]
        with self._offloader.codec():
            images = self.tcan.codec.decode_preview(middle.to(self.device))
        return fit.to_caller(_pixels(images)[0])

    def _decode(self, latents: Tensor) -> Frames:
        """Return pictures (batch, height, width, 3) uint8 of latents (batch, c, h, w)."""
        with self._offloader.codec():
            return _pixels(self.tcan.codec.decode(latents.to(self.device)))

    def _overlap(self, settings: AnimateSettings) -> int:
        if settings.context_overlap is not None:
            return settings.context_overlap
        return max(0, min(self.preset.sampling.context_overlap, settings.context_size - 1))

    def _guidance(self, settings: AnimateSettings) -> float:
        chosen = settings.guidance_scale
        return self.preset.sampling.guidance_scale if chosen is None else chosen


def _pixels(images: Tensor) -> Frames:
    """(batch, 3, height, width) in -1..1 as (batch, height, width, 3) uint8."""
    pixels: Frames = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _denoise_progress(now: DenoiseProgress) -> AnimateProgress:
    return AnimateProgress(
        "denoise", now.step, now.steps, now.window, now.windows, now.fraction, now.preview,
        state=now.state,
    )  # fmt: skip
