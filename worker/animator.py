"""The real model behind the job runner.

Only this module, `worker.job_settings` and `worker.model_info` import more of `tcan_core` than its
progress type.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from media.frame_writers import stored_format
from media.silent_copy import copy_without_sound
from media.source import MediaSource
from media.watermark.embed import Watermarker
from media.watermark.pattern import PUBLIC_KEY, no_watermark_reason
from service.contract.analysis import Analysis
from service.contract.job import Output
from service.contract.params import JobParams, ResultFormat
from service.contract.review import Review
from service.contract.workers import DeviceMemory, ModelInfo
from service.errors import SettingsError
from service.input_limits import InputLimits
from service.settings import RuntimeSettings
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import (
    CanceledError,
    CheckpointError,
    InputError,
    MemoryLimitError,
)
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import (
    PreparedInput,
    prepare,
    render,
)
from tcan_core.pipelines.condition_maps import prepare_maps, reject_pose_options
from tcan_core.pipelines.device_memory import OUT_OF_MEMORY, cuda_memory, free_unused
from tcan_core.pipelines.drawing import PoseDrawer
from tcan_core.pipelines.peer_process import PipelinePeers
from tcan_core.pipelines.pose_preview import preview_poses
from tcan_core.pipelines.review import ReviewLayout
from tcan_core.pipelines.subjects import check_subjects
from tcan_core.planning.budget import Budget
from tcan_core.progress import ProgressCallback
from tcan_core.sampling.state import DenoiseState
from worker.animation import Rendering
from worker.decoding import ChildSource
from worker.detection import cancel_check, detection_progress
from worker.failures import (
    AnimationCanceledError,
    AnimationOutOfMemoryError,
    CheckpointUnusableError,
)
from worker.job_settings import (
    animate_settings,
    animation_error,
    job_trim,
    mapped_errors,
    pose_options,
    preview_settings,
    runtime_options,
    sound_warnings,
)
from worker.memory import process_memory
from worker.model_info import model_info
from worker.runtime.shutdown import exit_at_once

logger = logging.getLogger(__name__)

LOW_MEMORY: dict[str, Any] = {"window_batch": 1, "decode_batch": 1}
UNMEASURED = "jobs may run out of memory; measure it with `tcan plan --measure`"
FEWER_WINDOWS = "TCAN_RUNTIME__WINDOW_BATCH is %d, but only %d fit; using %d"
DOES_NOT_FIT = "Change TCAN_RUNTIME__* or raise TCAN_MEMORY_LIMIT"


@dataclass
class TcanAnimator:
    """A preset of TCAN on one device, or on several that share the windows of each video.

    Args:
        limits: limits of inputs, the same as the gateway's.
        weights: folder of the parts' safetensors; the preset's own place by default.
        runtime: options of the model; the same in every worker that may resume a job.
        detector: pose detector; the preset's by default.
        watermark_key: secret shared with the watermark's detector; a public one by default.
        memory_limit: bytes of device memory for tensors; the free memory of a CUDA device by
            default. Options are chosen to fit it; without one jobs run as `runtime` says.
        detects: whether to load the detector, for a worker that prepares jobs.
        renders: whether to load the networks, for a worker that renders jobs.
        more_devices: devices of further processes that share every render; the result is the same.
        on_loss: called when one of these processes has died, after which none can render.
    """

    preset: str
    device: str
    limits: InputLimits
    weights: Path | None = None
    runtime: RuntimeSettings = RuntimeSettings()
    detector: str | None = None
    watermark_key: bytes | None = field(default=None, repr=False)
    _: KW_ONLY
    memory_limit: int | None = None
    detects: bool = True
    renders: bool = True
    more_devices: Sequence[str] = ()
    on_loss: Callable[[], None] = exit_at_once

    def __post_init__(self) -> None:
        self._limits = self.limits.image_or_video()
        self._media = ChildSource(self.limits)
        self._runtime = self.runtime
        self._detector = self.detector or ""
        self._budget: Budget | None = None
        self._drawer: PoseDrawer | None = None
        self._takes_maps = False
        self._pipeline: AnimatePipeline | None = None
        self._peers: PipelinePeers | None = None
        self._info: ModelInfo | None = None

    def load(self) -> None:
        """Load the detector first, which may fail, then the weights, which takes minutes.

        Raises:
            SettingsError: the model does not fit the device.
            ConfigError, ParameterError, PeerLostError, WeightsError: from `tcan_core`.
        """
        self._media.start()
        preset = load_preset(self.preset)
        self._drawer = PoseDrawer.from_preset(preset)
        self._detector = self._detector or preset.detector
        self._takes_maps = preset.condition == "maps"
        if self.detects and not self._takes_maps:
            build_detector(self._detector)
        if not self.renders:
            self._info = model_info(preset, None, loaded=False)
            return
        self._fit(preset)
        options = runtime_options(self._runtime)
        if self.more_devices:  # they load while this process does
            self._peers = PipelinePeers(
                self.more_devices, self.preset, self.weights, options, self.on_loss
            )
        self._pipeline = AnimatePipeline.from_preset(
            self.preset, self.device, folder=self.weights, options=options, group=self._peers
        )
        if self._peers is not None:
            self._peers.join()
        self._info = model_info(preset, self.weights, self._runtime)

    def _fit(self, preset: Preset) -> None:
        """Choose options that fit the memory limit, if there is one. Raises as `load`."""
        options = runtime_options(self._runtime)
        budget = Budget.for_device(preset, self.device, self.memory_limit)
        if budget is None:
            return
        if self.memory_limit is None and not budget.has_measurements(options):
            logger.warning("memory use unknown: preset=%s; %s", preset.name, UNMEASURED)
            return
        try:
            plan = budget.plan(options, self._runtime.window_batch)
        except MemoryLimitError as error:
            raise SettingsError(
                f"{preset.name} on {self.device}: {error}. {DOES_NOT_FIT}"
            ) from error
        logger.info("%s on %s: %s", preset.name, self.device, budget.summary(plan))
        if plan.window_batch < self._runtime.window_batch:
            batch = plan.window_batch
            logger.warning(FEWER_WINDOWS, self._runtime.window_batch, batch, batch)
        self._budget = budget
        chosen = {**asdict(plan.options), "window_batch": plan.window_batch}
        self._runtime = RuntimeSettings.model_validate(chosen)

    def close(self) -> None:
        """End the processes of further devices; they also end when this process does."""
        if self._peers is not None:
            self._peers.close()

    def prepare(
        self,
        image: Path,
        driving: Path,
        prepared: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image_pose: Path | None = None,
    ) -> list[str]:
        """See `worker.animation.Animator`."""
        assert self._drawer is not None, "load() comes first"
        progress = detection_progress(report, is_canceled)
        media = self._media.with_check(cancel_check(is_canceled))
        settings = animate_settings(params)
        placing = settings.placing
        read: Callable[..., PreparedInput] = prepare_maps
        if not self._takes_maps:
            read = partial(
                prepare,
                detector=self._detector,
                cleaning=CleaningSettings(person=params.person),
                source_pose_path=image_pose,
                keep_driver=True,
                pose_options=pose_options(params),
                **placing,
            )
        with mapped_errors():
            preset = load_preset(self.preset)
            settings.temperature(preset)  # refuses what the preset cannot do, before any work
            if self._takes_maps:
                reject_pose_options({"image_pose": image_pose, "person": params.person})
            self._check_subjects(image, driving, params, media)
            result = read(
                image,
                driving,
                limits=self._limits,
                progress=progress,
                media=media,
                trim=job_trim(params),
                audio=params.audio and params.format is ResultFormat.MP4,
            )
            settings.windows(result.num_frames, preset)  # refuses windows that are too long
            if result.pose_maps is None:
                maps = self._drawer.pose_maps(
                    result.image, result.poses, result.source_pose, **placing
                )
                result = replace(result, pose_maps=maps)
        result.save(prepared, progress)
        return result.warnings + sound_warnings(params)

    def preview(
        self,
        driving: Path | None,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image: Path | None = None,
        image_pose: Path | None = None,
    ) -> Rendering:
        """See `worker.animation.Animator`."""
        check = cancel_check(is_canceled)
        media = self._media.with_check(check)
        with mapped_errors():
            self._check_subjects(image, driving, params, media)
            result = preview_poses(
                folder,
                driving,
                image,
                image_pose,
                preview_settings(params, self._detector),
                limits=self._limits,
                media=media,
                progress=detection_progress(report, is_canceled),
                check=check,
            )
        outputs = {Output(name): file for name, file in result.files.items()}
        details: dict[str, Any] = {"pose_quality": result.quality}
        if result.analysis is not None:
            analysis = Analysis.model_validate(result.analysis)
            outputs[Output.ANALYSIS] = folder / "analysis.json"
            outputs[Output.ANALYSIS].write_text(analysis.model_dump_json(), encoding="utf-8")
            details |= {"frames": analysis.frames, "fps": float(Fraction(analysis.fps))}
        return Rendering(
            outputs, report=details, warnings=result.warnings, review=_review(result.review)
        )

    def _check_subjects(
        self, image: Path | None, driving: Path | None, params: JobParams, media: MediaSource
    ) -> None:
        """Refuse inputs that the preset or its detector is not for, unless `any_subject` is set."""
        if not params.any_subject:
            preset, limits = load_preset(self.preset), self._limits
            check_subjects(preset, image, driving, self._detector, limits, media, job_trim(params))

    def memory(self) -> DeviceMemory:
        """See `worker.animation.Animator`."""
        memory = cuda_memory(self.device)
        if memory is None:
            return process_memory()
        return DeviceMemory(device=self.device, **memory._asdict())

    def describe(self) -> ModelInfo:
        """See `worker.animation.Animator`."""
        assert self._info is not None, "load() comes first"
        return self._info

    def render(
        self,
        image: Path,
        prepared: Path,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        resume: Path | None = None,
        low_memory: bool = False,
        watermark: int | None = None,
    ) -> Rendering:
        """See `worker.animation.Animator`."""
        assert self._pipeline is not None, "load() comes first, for a worker that renders"
        outputs = {
            Output.RESULT: folder / f"result.{params.format}",
            Output.POSTER: folder / "poster.png",
            Output.POSE: folder / "pose.mp4",
            Output.REVIEW: folder / "review.mp4",
        }
        settings = replace(animate_settings(params), window_batch=self._runtime.window_batch)
        if low_memory:
            settings = replace(settings, **LOW_MEMORY)
        media = self._media.with_check(cancel_check(is_canceled))
        try:
            ready = PreparedInput.load(prepared, image, self._limits, media)
            if ready.poses:
                outputs[Output.KEYPOINTS] = folder / "keypoints.json"
            settings = settings if low_memory else self._fitted(settings, ready)
            if self._peers is not None:
                self._peers.set_next_video(prepared, ready.image, settings, resume)
            done = render(
                self._pipeline,
                ready,
                outputs[Output.RESULT],
                settings,
                progress=report,
                is_canceled=is_canceled,
                poster_path=outputs[Output.POSTER],
                pose_path=outputs[Output.POSE],
                keypoints_path=outputs.get(Output.KEYPOINTS),
                review_path=outputs[Output.REVIEW],
                resume=None if resume is None else DenoiseState.load(resume),
                frame_filter=self._marker(watermark),
            )
        except CanceledError as error:
            raise AnimationCanceledError from error
        except CheckpointError as error:
            raise CheckpointUnusableError(str(error)) from error
        except InputError as error:
            raise animation_error(error) from error
        except OUT_OF_MEMORY:
            # Raised below without a cause: a traceback would keep the failed attempt's tensors.
            out_of_memory = AnimationOutOfMemoryError()
        else:
            if ready.sound is not None:
                outputs[Output.SILENT] = folder / "silent.mp4"
                copy_without_sound(outputs[Output.RESULT], outputs[Output.SILENT])
            reason = "" if watermark is None else no_watermark_reason(*done.size) or ""
            details = asdict(replace(done, review=None))
            details["devices"] = [self.device, *self.more_devices]
            warnings = stored_format(outputs[Output.RESULT], ready.fps, done.size).warnings
            return Rendering(
                outputs,
                done.seconds,
                details,
                warnings,
                no_watermark_reason=reason,
                review=_review(done.review),
            )
        free_unused(self.device)
        raise out_of_memory

    def _marker(self, watermark: int | None) -> Watermarker | None:
        """Return what marks each frame with this payload, if there is one."""
        if watermark is None:
            return None
        return Watermarker(watermark, self.watermark_key or PUBLIC_KEY)

    def _fitted(self, settings: AnimateSettings, ready: PreparedInput) -> AnimateSettings:
        """Return settings whose batches fit the device. Raises MemoryLimitError."""
        if self._budget is None:
            return settings
        height, width = ready.image.shape[:2]
        options = runtime_options(self._runtime)
        return self._budget.fit_job(settings, options, (height, width), ready.num_frames)


def _review(layout: ReviewLayout | None) -> Review | None:
    return None if layout is None else Review.model_validate(asdict(layout))
