"""Settings of the core for a job's parameters, and the core's errors as the worker's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from media.poses.document import PoseFileOptions, pose_file_options
from media.trim import Trim
from service.contract.errors import ErrorCode
from service.contract.params import JobParams, PosesParams, ResultFormat
from service.settings import RuntimeSettings
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.errors import ConfigError, InputError, WeightsError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.animate import AnimateSettings
from tcan_core.pipelines.pose_preview import PreviewSettings
from worker.failures import AnimationError

# Fields that the settings of the pipeline share with those of a preview.
PLACING = {"retarget", "root_motion"}
# For callers, who need not know where this machine keeps its weights; the log has the reason.
NO_DETECTOR = "the worker cannot detect people: its pose detector cannot be loaded"


def animate_settings(params: JobParams) -> AnimateSettings:
    """Return the pipeline's settings for a job's parameters."""
    others = {"format", "audio", *PosesParams.model_fields} - PLACING
    return AnimateSettings(**params.model_dump(exclude=others, exclude_none=True))


def preview_settings(params: JobParams, detector: str) -> PreviewSettings:
    """Return the settings of a pose preview for a job's parameters."""
    return PreviewSettings(
        detector,
        CleaningSettings(person=params.person),
        job_trim(params),
        pose_options(params),
        **params.model_dump(include=PLACING, exclude_none=True),
    )


def sound_warnings(params: JobParams) -> list[str]:
    """Return a warning if the sound that a job asks for is left out."""
    if not params.audio or params.format is ResultFormat.MP4:
        return []
    return [f"the result has no sound: only mp4 has, and the format is {params.format}"]


def job_trim(params: JobParams) -> Trim | None:
    """Return the part of the driving file that a job uses; None for all of it."""
    return None if params.trim is None else Trim(params.trim.start_s, params.trim.end_s)


def pose_options(params: JobParams) -> PoseFileOptions:
    """Return what a job says about its pose files."""
    return pose_file_options(params.layout, params.canvas, params.fps)


def runtime_options(runtime: RuntimeSettings) -> RuntimeOptions:
    """Return the model's options for the settings of a worker."""
    return RuntimeOptions(**runtime.model_dump(exclude={"window_batch"}))


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Raise the core's errors of pose detection as AnimationError."""
    try:
        yield
    except InputError as error:
        raise animation_error(error) from error
    except (ConfigError, WeightsError) as error:
        raise AnimationError(ErrorCode.UNAVAILABLE, NO_DETECTOR) from error


def animation_error(error: InputError) -> AnimationError:
    """Return the core's error under the same code."""
    return AnimationError(ErrorCode(error.code), str(error))
