"""Animate an image: from an image and poses to frames.

The pipeline is six verbs: fit, encode, place, draw, denoise, decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.conditioning.pose_maps import PaddedPoseMaps, PoseMaps, ResizedMaps
from tcan_core.distributed.process_group import ProcessGroup, SingleProcess
from tcan_core.errors import CanceledError as CanceledError
from tcan_core.errors import ParameterError
from tcan_core.models.caches.deep_features import DeepFeatureCache
from tcan_core.models.networks.attention import check_kernel
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.preset_sections import SamplingDefaults
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.animate_settings import AnimateSettings as AnimateSettings
from tcan_core.pipelines.drawing import PoseDrawer
from tcan_core.pipelines.fitting import Fit
from tcan_core.pipelines.offload import Offloader
from tcan_core.pipelines.window_predictor import WindowPredictor
from tcan_core.progress import AnimateProgress, ProgressCallback
from tcan_core.sampling.denoising_loop import DenoisingLoop
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import NoiseSchedule, Scheduler, build_scheduler
from tcan_core.sampling.state import DenoiseState

Frames = NDArray[np.uint8]
IsCanceled = Callable[[], bool]
# Called at the beginning of each step with the predictor of the video's windows, its input for the
# whole video, (1, channels, frames, h, w) on the host, and the timestep, (). It may predict windows
# of its own; the result of the run stays the same if nothing is cached between steps.
ObserveStep = Callable[[WindowPredictor, Tensor, Tensor], None]


class AnimatePipeline:
    """TCAN, ready to run; not thread-safe.

    Attributes:
        group: processes that share the windows of every video.
        drawer: fits the image, places the poses in it and draws them.
    """

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
        self.drawer = PoseDrawer(preset, self.tcan.codec.factor)
        self._offloader = Offloader(self.tcan, device, offload=options.offload)

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
        """Load a preset's weights and return a pipeline.

        Args:
            name: a shipped preset, or the path of a preset's YAML.
            device: a device of torch.
            motion: False leaves out all motion modules, as after training stage 1.
            temporal_controlnet: False leaves them out of the ControlNet only.
            folder: folder of the parts' safetensors; by default the preset's.
            options: memory and speed of the model, with at most small changes of the result.
            group: processes that share the windows of every video; all must make the same calls
                with the same arguments.

        Raises:
            ConfigError: there is no such preset, or an option is not available.
            WeightsError: weights are missing or do not fit.
        """
        preset, options = load_preset(name), options or RuntimeOptions()
        check_kernel(options.attention, device)
        tcan = load_tcan(preset, folder, motion, temporal_controlnet, options.torch_dtype)
        return cls(tcan, preset, device, options, group)

    def __call__(
        self,
        image: Frames,
        poses: Sequence[Pose],
        *,
        source_pose: Pose | None = None,
        progress: ProgressCallback | None = None,
        is_canceled: IsCanceled | None = None,
        **settings: Any,
    ) -> Frames:
        """Return the animation, (frames, height, width, 3) uint8 RGB in the image's size.

        Args:
            image: (height, width, 3) uint8 RGB, the character.
            poses: one driving pose per frame, in the driving video's canvas.
            source_pose: pose of the character in the image; detected if it is needed and None.
            progress: called at every step.
            is_canceled: called before every window, and several times within it.
            settings: the fields of `AnimateSettings`.

        Raises:
            NoPersonError: no person was found in the image, or no pose has a joint.
            ParameterError: a setting is unknown or out of range, or there are no poses.
            CanceledError: `is_canceled` returned True.
        """
        unknown = sorted(set(settings) - {field.name for field in fields(AnimateSettings)})
        if unknown:
            raise ParameterError(f"unknown setting {', '.join(unknown)}")
        chosen = AnimateSettings(**settings)
        return np.stack(list(self.frames(image, poses, source_pose, chosen, progress, is_canceled)))

    @torch.inference_mode()
    def frames(
        self,
        image: Frames,
        poses: Sequence[Pose],
        source_pose: Pose | None,
        settings: AnimateSettings,
        progress: ProgressCallback | None = None,
        is_canceled: IsCanceled | None = None,
        resume: DenoiseState | None = None,
        pose_maps: PoseMaps | None = None,
        observe: ObserveStep | None = None,
    ) -> Iterator[Frames]:
        """Yield the animation frame by frame as it is decoded; arguments as for a call.

        In a group of processes only rank 0 yields frames.

        Args:
            resume: checkpoint of an earlier run with the same inputs and settings.
            pose_maps: stored result of `PoseDrawer.pose_maps` for these inputs; drawn again if it
                was made for a model of another size. A preset that takes maps needs them, of any
                size, and ignores the poses.
            observe: called at the beginning of each step.

        Raises:
            CheckpointError: `resume` belongs to another kind of run.
            PeerError, PeerLostError: another process failed, or died. All else as for a call.
        """
        report = progress or (lambda _: None)
        fit = self.drawer.fit(image)

        def report_denoising(now: AnimateProgress) -> None:
            report(replace(now, picture=lambda: self._decode_preview(now.preview(), fit)))

        with self.group.sync_errors():
            report(AnimateProgress("encode", 0, 1))
            ref_image_latents = self.encode(fit.to_model(image))
            self.read_image(image)
            if self.preset.condition == "maps":
                pose_maps = self._fitted_maps(pose_maps, fit)
            elif pose_maps is None or (pose_maps.size, len(pose_maps)) != (fit.padded, len(poses)):
                placed = self.drawer.place(image, poses, source_pose, **settings.placing)
                pose_maps = self.drawer.draw(placed, fit)
            latents = self.denoise(
                ref_image_latents,
                pose_maps,
                settings,
                report_denoising,
                is_canceled,
                resume,
                observe,
            )
        if self.group.rank == 0:
            yield from self.decode(latents, fit, settings, report, is_canceled)

    def _fitted_maps(self, maps: PoseMaps | None, fit: Fit) -> PoseMaps:
        """Return driving maps in the model's size. Raises ParameterError if there are none."""
        if maps is None:
            raise ParameterError(f"preset {self.preset.name} takes a video of maps, not poses")
        return ResizedMaps(maps, fit.padded)

    def encode(self, image: Frames) -> Tensor:
        """Return the latents (1, channels, h, w) of an image in the model's size.

        Args:
            image: (height, width, 3) uint8 RGB, both sides divisible by the codec's factor.
        """
        pixels = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        with self._offloader.codec():
            return self.tcan.codec.encode(pixels)

    def read_image(self, image: Frames) -> None:
        """Read an image, (height, width, 3) uint8 RGB, as text if the preset has an encoder."""
        with self._offloader.image_encoder():
            self.tcan.read_image(image)

    def denoise(
        self,
        ref_image_latents: Tensor,
        pose_maps: PoseMaps,
        settings: AnimateSettings,
        report: ProgressCallback,
        is_canceled: IsCanceled | None,
        resume: DenoiseState | None = None,
        observe: ObserveStep | None = None,
    ) -> Tensor:
        """Return the video's latents (1, channels, frames, h, w) on the host.

        Args:
            ref_image_latents: (1, channels, h, w).
            pose_maps: the drawn poses, in the model's size.
            observe: called at the beginning of each step.
        """
        if settings.cache_interval > 1 and not self.tcan.has_motion:
            raise ParameterError(
                f"cache_interval is {settings.cache_interval}; without motion modules it must be 1,"
                " since nothing can be cached"
            )
        preset, sampling, num_frames = self.preset, settings.sampling(self.preset), len(pose_maps)
        if sampling.noise == "tiled":
            pose_maps = PaddedPoseMaps(pose_maps, sampling.context_size)
        windows = settings.windows(len(pose_maps), preset)
        predict = WindowPredictor(
            self.tcan,
            ref_image_latents,
            pose_maps,
            settings.temperature(preset),
            sampling.guidance_scale,
            sampling.context_size if sampling.controlnet == "blocks" else None,
            DeepFeatureCache(settings.cache_interval, windows),
            is_canceled if self.group.world_size == 1 else None,
        )

        def begin_step(latents: Tensor, timestep: Tensor) -> None:
            predict.begin_step(latents, timestep)
            if observe is not None:
                observe(predict, latents, timestep)

        loop = DenoisingLoop(
            predict,
            self._scheduler(sampling),
            windows,
            preset.prediction_type,
            sampling.fusion,
            settings.window_batch,
            settings.seed,
            state_interval=settings.cache_interval,
            group=self.group,
            begin_step=begin_step,
        )
        shape = ref_image_latents.shape[1:]
        context = sampling.context_size, sampling.context_overlap
        with self._offloader.denoising(), self.tcan.one_video():
            noise = initial_noise(len(pose_maps), shape, settings.seed, sampling.noise, *context)
            return loop.run(noise, report, is_canceled, resume)[:, :, :num_frames]

    def _scheduler(self, sampling: SamplingDefaults) -> Scheduler:
        """Return a fresh scheduler for one run."""
        schedule = NoiseSchedule(
            beta_schedule=self.preset.schedule.beta_schedule,
            prediction_type=self.preset.prediction_type,
            rescale_betas_zero_snr=self.preset.schedule.zero_terminal_snr,
        )
        return build_scheduler(
            sampling.scheduler,
            sampling.num_inference_steps,
            schedule,
            sampling.spacing,
            sampling.original_inference_steps,
        )

    def decode(
        self,
        latents: Tensor,
        fit: Fit,
        settings: AnimateSettings,
        report: ProgressCallback,
        is_canceled: IsCanceled | None,
    ) -> Iterator[Frames]:
        """Yield frames in the image's size, (height, width, 3) uint8, decoded in small batches.

        Args:
            latents: (1, channels, frames, h, w).
        """
        video, batch = latents[0].transpose(0, 1), settings.decode_batch
        for first in range(0, len(video), batch):
            if is_canceled is not None and is_canceled():
                raise CanceledError(f"canceled at frame {first + 1} of {len(video)}")
            with self._offloader.codec():
                chosen = video[first : first + batch].to(self.device)
                pixels = _to_pixels(self.tcan.codec.decode(chosen))
            yield from (fit.to_caller(frame) for frame in pixels)
            done = min(first + batch, len(video))
            report(AnimateProgress("decode", done, len(video), fraction=done / len(video)))

    def _decode_preview(self, latents: Tensor | None, fit: Fit) -> Frames | None:
        """Return the middle frame of latents (1, channels, frames, h, w) in the image's size."""
        if latents is None:
            return None
        middle = latents[:, :, latents.shape[2] // 2]
        with self._offloader.codec():
            images = self.tcan.codec.decode_preview(middle.to(self.device))
        return fit.to_caller(_to_pixels(images)[0])


def _to_pixels(images: Tensor) -> Frames:
    """Convert (batch, 3, height, width) in -1..1 to (batch, height, width, 3) uint8."""
    pixels: Frames = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return pixels
