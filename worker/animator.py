"""The real model behind the job runner: the one module of the worker that imports `tcan_core`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from service.contract.errors import ErrorCode
from service.contract.job import Output
from service.contract.limits import InputLimits
from service.contract.params import JobParams
from tcan_core.errors import Canceled as CoreCanceled
from tcan_core.errors import InputError
from tcan_core.media.limits import MediaLimits
from tcan_core.pipelines.animate import AnimatePipeline, AnimateProgress, AnimateSettings
from tcan_core.pipelines.animate_files import Prepared, prepare, render
from worker.animation import Canceled, Rendering, Report, Step
from worker.failures import AnimationCanceled, AnimationError


class TcanAnimator:
    """A preset of TCAN on one device.

    Args:
        preset: name of the preset.
        device: of torch.
        limits: what inputs are taken; the same that the gateway holds to.
        weights: folder of the parts' safetensors; by default where the preset says.
    """

    def __init__(
        self, preset: str, device: str, limits: InputLimits, weights: Path | None = None
    ) -> None:
        self._preset = preset
        self._device = device
        self._limits = media_limits(limits)
        self._weights = weights
        self._pipeline: AnimatePipeline | None = None
        self._detector = ""

    def load(self) -> None:
        """Load the weights. Raises ConfigError or WeightsError of `tcan_core`."""
        self._pipeline = AnimatePipeline.from_preset(
            self._preset, self._device, folder=self._weights
        )
        self._detector = self._pipeline.preset.detector

    def prepare(
        self, image: Path, driving: Path, prepared: Path, report: Report, canceled: Canceled
    ) -> list[str]:
        """See `worker.animation.Animator`."""

        def progress(done: int, expected: int) -> None:
            if canceled():
                raise AnimationCanceled
            report(Step("prepare", done, expected, done / max(expected, 1)))

        report(Step("prepare", 0, 0, 0.0))
        try:
            found = prepare(
                image, driving, limits=self._limits, detector=self._detector, progress=progress
            )
        except InputError as error:
            raise animation_error(error) from error
        found.save(prepared)
        return found.warnings

    def render(
        self,
        image: Path,
        prepared: Path,
        folder: Path,
        params: JobParams,
        report: Report,
        canceled: Canceled,
    ) -> Rendering:
        """See `worker.animation.Animator`."""
        assert self._pipeline is not None, "load() comes first"

        def progress(now: AnimateProgress) -> None:
            report(Step(now.stage, now.step, now.steps, now.fraction))

        result, poster, pose = folder / "result.mp4", folder / "poster.png", folder / "pose.mp4"
        try:
            done = render(
                self._pipeline,
                Prepared.load(prepared, image, self._limits),
                result,
                AnimateSettings(**params.model_dump()),
                progress=progress,
                canceled=canceled,
                poster_path=poster,
                pose_path=pose,
            )
        except CoreCanceled as error:
            raise AnimationCanceled from error
        except InputError as error:
            raise animation_error(error) from error
        outputs = {Output.RESULT: result, Output.POSTER: poster, Output.POSE: pose}
        return Rendering(outputs, asdict(done))


def media_limits(limits: InputLimits) -> MediaLimits:
    """The service's limits as the core reads them, for an image and a video alike."""
    return MediaLimits(
        max_bytes=max(limits.max_image_bytes, limits.max_driving_bytes),
        max_pixels=max(limits.max_image_pixels, limits.max_frame_pixels),
        max_frames=limits.max_frames,
        max_duration_s=limits.max_duration_s,
        min_side=limits.min_side,
    )


def animation_error(error: InputError) -> AnimationError:
    """A refusal of the core, under the code that it carries."""
    return AnimationError(ErrorCode(error.code), str(error))
