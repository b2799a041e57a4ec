"""An animation job on files: prepare (decode, detect, clean) and render (animate, encode).

The two may run in different processes, with an archive of poses and drawn poses between them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.frame_writers import open_writer, stored_format
from media.image import write_png
from media.limits import MediaLimits, PoseFileLimits
from media.poses.archive import is_pose_file
from media.poses.document import PoseDocument, PoseFileOptions
from media.poses.keypoints import Pose
from media.poses.pose_file import read_poses, write_pose_file
from media.source import LocalMediaSource, MediaSource
from media.trim import Trim
from tcan_core.conditioning.cleaning.clean import CleanedPoses, clean_poses
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.pose_maps import (
    DrawnPoseMaps,
    PoseMaps,
    write_map_video,
)
from tcan_core.conditioning.root_motion import RootMotion
from tcan_core.errors import NoPersonError
from tcan_core.pipelines.animate import (
    AnimatePipeline,
    AnimateSettings,
    IsCanceled,
)
from tcan_core.pipelines.detect_people import detect_people
from tcan_core.pipelines.device_memory import peak_memory_bytes
from tcan_core.pipelines.driver_copy import temporary_copy
from tcan_core.pipelines.extra_videos import open_extra_videos
from tcan_core.pipelines.fit_check import check_fit
from tcan_core.pipelines.prepared_input import PreparedInput as PreparedInput
from tcan_core.pipelines.review import ReviewLayout
from tcan_core.pipelines.sound import find_sound, sound_file
from tcan_core.pipelines.source_pose import find_source_pose
from tcan_core.pipelines.stage_clock import StageClock
from tcan_core.progress import ProgressCallback
from tcan_core.sampling.state import DenoiseState

DEFAULT_FPS = Fraction(25)


@dataclass(frozen=True)
class AnimateReport:
    """A summary of one render.

    Attributes:
        frames: frames in the result; a GIF leaves some out at a rate above 50.
        fps: frames per second of the result; of a GIF at most 50.
        size: (height, width) of each frame in pixels.
        stored_size: (height, width) in the file; mp4 and WebM store even sides only.
        seconds: time of each stage.
        peak_memory_bytes: largest resident memory of the process so far.
        review: layout of the video at `review_path`.
    """

    frames: int
    fps: float
    size: tuple[int, int]
    stored_size: tuple[int, int]
    seconds: dict[str, float]
    peak_memory_bytes: int
    seed: int
    warnings: list[str] = field(default_factory=list)
    pose_quality: dict[str, Any] = field(default_factory=dict)
    review: ReviewLayout | None = None


def prepare(
    image_path: Path,
    driving_path: Path,
    *,
    limits: MediaLimits | None = None,
    detector: str = "puppet",
    cleaning: CleaningSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    source_pose_path: Path | None = None,
    retarget: bool = True,
    root_motion: RootMotion = "bounded",
    media: MediaSource | None = None,
    trim: Trim | None = None,
    pose_options: PoseFileOptions | None = None,
    audio: bool = False,
    keep_driver: bool = False,
) -> PreparedInput:
    """Read the inputs, detect poses in them, and clean the driving poses.

    Args:
        driving_path: a video, a still image, a pose file, or a zip or folder of pose files.
        progress: called with frames done and the number of frames expected.
        source_pose_path: a pose file of the image, on a canvas of its size; else it is detected.
        retarget: whether the source pose is needed; else it only tells how the driving poses fit.
        root_motion: how the figure will move in its picture, see `retarget`.
        media: decodes the image and the video; by default this process does.
        trim: the part of the driving video or pose file; all of it by default.
        pose_options: facts about a driving pose file; coco17 also allows it in the image's.
        audio: whether the result has the driving video's sound; a warning says if it has none.
        keep_driver: whether a review will show the driving video.

    Raises:
        MediaError, PoseFileError: an input cannot be used.
        ParameterError: `trim` begins behind the end.
        NoPersonError: no person was found in the image, or in any frame of the driving video.
    """
    started = time.monotonic()
    image, warnings = read_source_image(image_path, limits, media)
    options = pose_options or PoseFileOptions()
    source_pose, source_warnings = find_source_pose(
        image, source_pose_path, detector, options.for_image(), needed=retarget
    )
    canvas = (image.shape[0], image.shape[1])
    with temporary_copy() as copy:
        with copy:
            keep = copy.keep if keep_driver else None
            driving = find_poses(
                driving_path,
                limits,
                detector,
                cleaning,
                progress,
                media,
                trim,
                options,
                canvas,
                keep,
            )
        driver = copy.content()
    fit_warnings, agreement = check_fit(
        source_pose, driving.poses, canvas, retarget=retarget, root_motion=root_motion
    )
    warnings += [*driving.warnings, *source_warnings, *fit_warnings]
    sound = find_sound(driving_path, driving.fps, trim, media, warnings.append) if audio else None
    return PreparedInput(
        image,
        source_pose if retarget else None,
        driving.poses,
        driving.fps,
        warnings,
        {"prepare": time.monotonic() - started},
        driving.quality | {"alignment": agreement},
        sound=sound,
        driver=driver,
    )


def read_source_image(
    path: Path, limits: MediaLimits | None, media: MediaSource | None
) -> tuple[NDArray[np.uint8], list[str]]:
    """Read the source image, with what was changed in it. Raises MediaError."""
    warnings: list[str] = []
    image = (media or LocalMediaSource()).image(path, limits, warnings.append)
    (limits or MediaLimits()).check_aspect(path.name, image.shape[0], image.shape[1])
    return image, warnings


@dataclass(frozen=True)
class FoundPoses:
    """Driving poses, cleaned, in the driving video's canvas, with its frame rate.

    Attributes:
        people: all people of each frame, as they were detected or read.
        cleaned: the poses, with what was done to them.
    """

    poses: list[Pose]
    fps: Fraction
    warnings: list[str]
    quality: dict[str, Any]
    people: list[list[Pose]]
    cleaned: CleanedPoses


def find_poses(
    driving_path: Path,
    limits: MediaLimits | None = None,
    detector: str = "puppet",
    cleaning: CleaningSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    media: MediaSource | None = None,
    trim: Trim | None = None,
    pose_options: PoseFileOptions | None = None,
    image_size: tuple[int, int] | None = None,
    keep: Callable[[NDArray[np.uint8], Fraction], None] | None = None,
) -> FoundPoses:
    """Read a driving file, detect people in it, and clean the poses of one of them.

    Poses of a pose file that says that they were cleaned are used as they are.

    Args:
        driving_path, progress, media, trim, pose_options: as in `prepare`.
        image_size: (height, width) of the image, for pose files without a canvas.
        keep: called with each frame of a video, and its frame rate.

    Raises:
        ParameterError: `trim` begins behind the end.
        MediaError, PoseFileError: the driving file cannot be used.
        NoPersonError: no person was found in any frame.
    """
    cleaning = cleaning or CleaningSettings()
    if is_pose_file(driving_path):
        file = _read_driving_poses(driving_path, media, pose_options, image_size)
        fps = Fraction(file.fps).limit_denominator(1001) if file.fps else DEFAULT_FPS
        trim = trim or Trim()
        trim.check(driving_path.name, len(file.frames), fps)
        people, warnings = file.frames[trim.frames(fps)], file.warnings
        cleaning = cleaning.for_cleaned() if file.is_cleaned else cleaning
    else:
        people, fps, warnings = detect_people(
            driving_path, limits, detector, progress, media, trim, keep
        )
        if pose_options is not None and (pose_options.canvas or pose_options.fps):
            warnings = [*warnings, "the driving file is a video: canvas and fps have no effect"]
    cleaned = clean_poses(people, cleaning, float(fps))
    if not any(pose.detected.any() for pose in cleaned.poses):
        raise NoPersonError(f"no person was found in any of the {len(people)} driving frames")
    warnings = warnings + cleaned.report.warnings()
    return FoundPoses(cleaned.poses, fps, warnings, asdict(cleaned.report), people, cleaned)


def _read_driving_poses(
    path: Path,
    media: MediaSource | None,
    options: PoseFileOptions | None,
    image_size: tuple[int, int] | None,
) -> PoseDocument[Pose]:
    """Read a pose file. Raises PoseFileError; NoPersonError when no frame has a person."""
    files = (media or LocalMediaSource()).poses(path, PoseFileLimits())
    document = read_poses(path.name, files, options, image_size=image_size)
    if not document.has_person:
        raise NoPersonError(document.no_person_message(path.name))
    return document


def render(
    pipeline: AnimatePipeline,
    prepared: PreparedInput,
    out_path: Path,
    settings: AnimateSettings,
    *,
    progress: ProgressCallback | None = None,
    is_canceled: IsCanceled | None = None,
    poster_path: Path | None = None,
    pose_path: Path | None = None,
    keypoints_path: Path | None = None,
    review_path: Path | None = None,
    resume: DenoiseState | None = None,
    frame_filter: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> AnimateReport:
    """Animate and write a video file; `out_path` appears only when it is complete.

    Args:
        out_path: written at the driving video's frame rate, in the image's size; `.webm`, `.gif`
            and `.zip` select their formats, all else is mp4 with H.264.
        poster_path: PNG of the first frame.
        pose_path: mp4 of the drawn poses.
        keypoints_path: pose file of the drawn poses, in the image's canvas; a video of maps has
            none.
        review_path: mp4 of source, driver, skeleton and result side by side.
        resume: checkpoint of an earlier render with the same arguments; the result is the same
            file, byte for byte.
        frame_filter: applied to each frame before it is written, such as a watermark.

    Raises:
        CanceledError: `is_canceled` returned True.
        CheckpointError: `resume` belongs to another kind of run.
        NoPersonError, ParameterError, MediaError: as `AnimatePipeline` and `VideoWriter`.
        PeerError, PeerLostError: another process of the group failed, or died.
    """
    clock = StageClock(progress)
    image, poses, source_pose = prepared.image, prepared.poses, prepared.source_pose
    size = image.shape[0], image.shape[1]
    stored = stored_format(out_path, prepared.fps, size)
    frames = pipeline.frames(
        image, poses, source_pose, settings, clock.note, is_canceled, resume, prepared.pose_maps
    )
    placed = _placed_poses(pipeline, prepared, settings)
    with ExitStack() as stack:
        audio_from = stack.enter_context(sound_file(prepared.sound))
        writer = stack.enter_context(open_writer(out_path, prepared.fps, size, audio_from))
        extra = None
        if pose_path is not None or review_path is not None:
            maps = _shown_maps(pipeline, prepared, placed)
            extra = stack.enter_context(open_extra_videos(prepared, maps, pose_path, review_path))
        for index, frame in enumerate(frames):
            filtered = frame if frame_filter is None else frame_filter(frame)
            writer.write(filtered)
            if extra is not None:
                extra.write(filtered)
            if index == 0 and poster_path is not None:
                write_png(poster_path, filtered)
    if keypoints_path is not None and placed:
        frames_of_one = [[pose] for pose in placed]
        write_pose_file(keypoints_path, frames_of_one, float(prepared.fps), is_cleaned=True)
    return AnimateReport(
        frames=math.ceil(prepared.num_frames * stored.fps / prepared.fps),
        fps=float(stored.fps),
        size=size,
        stored_size=stored.size,
        seconds=prepared.seconds | clock.finish(),
        peak_memory_bytes=peak_memory_bytes(),
        seed=settings.seed,
        warnings=[*prepared.warnings, *stored.warnings],
        pose_quality=prepared.quality,
        review=None if extra is None else extra.layout,
    )


def _placed_poses(
    pipeline: AnimatePipeline, prepared: PreparedInput, settings: AnimateSettings
) -> list[Pose]:
    """Return the driving poses in the image's canvas; none of a driving video of maps."""
    if prepared.pose_maps is not None and not prepared.poses:
        return []
    return pipeline.drawer.place(
        prepared.image, prepared.poses, prepared.source_pose, **settings.placing
    )


def _shown_maps(pipeline: AnimatePipeline, prepared: PreparedInput, placed: list[Pose]) -> PoseMaps:
    """Return the skeletons in the image's size, or the maps of a driving video of maps."""
    if prepared.pose_maps is not None and not placed:
        return prepared.pose_maps
    return DrawnPoseMaps(placed, pipeline.preset.skeleton)


def render_as_peer(
    pipeline: AnimatePipeline,
    prepared: PreparedInput,
    settings: AnimateSettings,
    resume: DenoiseState | None = None,
) -> None:
    """Take part in a render of rank 0, from another process of its group; writes nothing."""
    image, poses, source_pose = prepared.image, prepared.poses, prepared.source_pose
    for _ in pipeline.frames(
        image, poses, source_pose, settings, resume=resume, pose_maps=prepared.pose_maps
    ):
        raise AssertionError("only rank 0 decodes")


def write_poses(path: Path, poses: list[Pose], fps: Fraction) -> None:
    """Write a video of drawn poses on black, in the format of the suffix."""
    write_map_video(path, DrawnPoseMaps(poses), fps)


def random_seed() -> int:
    """Return a seed below 2**31."""
    return int(np.random.default_rng().integers(2**31))
