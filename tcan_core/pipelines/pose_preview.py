"""A preview of poses on files: of a driving file, of an image, and of how they fit together.

Nothing is rendered, so no weights but the detector's are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from media.image import write_png
from media.limits import MediaLimits
from media.poses.document import PoseFileOptions
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from media.source import MediaSource
from media.trim import Trim
from tcan_core.conditioning.cleaning.clean import sure_people
from tcan_core.conditioning.cleaning.people import find_people
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.retarget import retarget as retarget_poses
from tcan_core.conditioning.root_motion import RootMotion, frames_outside
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.pipelines.animate_files import (
    FoundPoses,
    find_poses,
    read_source_image,
    write_poses,
)
from tcan_core.pipelines.driver_copy import DriverCopy, copied_frames
from tcan_core.pipelines.fit_check import check_fit
from tcan_core.pipelines.fitting import move_to_canvas
from tcan_core.pipelines.review import (
    MAX_SIDE,
    Picture,
    ReviewLayout,
    ReviewWriter,
    as_text,
    exact_writer,
    filled,
    fitted_size,
)
from tcan_core.pipelines.source_pose import find_source_pose

# Brightness of the picture under its skeleton.
DIMMED = 0.6


@dataclass(frozen=True)
class PreviewSettings:
    """How poses are detected, cleaned and placed; see `animate_files.prepare`."""

    detector: str = "puppet"
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    trim: Trim | None = None
    pose_options: PoseFileOptions = field(default_factory=PoseFileOptions)
    retarget: bool = True
    root_motion: RootMotion = "bounded"


@dataclass
class PosePreview:
    """The findings of a preview, and the files that it wrote.

    Attributes:
        files: by name: `keypoints` and `pose` (a video) of the driving file, `image_keypoints`,
            `fit` (skeletons over the image), `review` (all pictures in one video), and `poster`
            (a PNG of the first frame: of `fit`, of the driving file, or of the image alone).
        analysis: plain JSON on the driving file, if there is one.
        quality: plain JSON: what cleaning found, and how well source and driving poses agree.
        review: layout of the review.
    """

    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    analysis: dict[str, Any] | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    review: ReviewLayout | None = None


class _Source(NamedTuple):
    """The image, (height, width, 3) uint8 RGB, and its pose."""

    image: Picture
    pose: Pose

    @property
    def canvas(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    @property
    def shown_size(self) -> tuple[int, int]:
        """The (height, width) in which the image is shown under skeletons."""
        return fitted_size(self.canvas, (MAX_SIDE, MAX_SIDE))

    def dimmed(self) -> Picture:
        """Return the image as shown, darker, so that skeletons are seen on it."""
        return (filled(self.image, self.shown_size) * DIMMED).astype(np.uint8)


def preview_poses(
    folder: Path,
    driving: Path | None,
    image: Path | None = None,
    image_pose: Path | None = None,
    settings: PreviewSettings | None = None,
    *,
    limits: MediaLimits | None = None,
    media: MediaSource | None = None,
    progress: Callable[[int, int], None] | None = None,
    check: Callable[[], None] = lambda: None,
) -> PosePreview:
    """Find the poses of a driving file, of an image, or of both, and write files about them.

    Args:
        folder: receives the files.
        driving: a video, a still image, a pose file, or a zip or folder of pose files.
        image_pose: a pose file of the image; else its pose is detected.
        media: decodes image and video; by default this process does.
        progress: called with frames done and the number of frames expected.
        check: called before each frame that is drawn; may raise.

    Raises:
        MediaError, PoseFileError: an input cannot be used.
        ParameterError: `trim` begins behind the end.
        NoPersonError: no person was found in the image, or in any frame of the driving file.
    """
    settings = settings or PreviewSettings()
    preview, source = PosePreview(), None
    if image is not None:
        source = _read_source(preview, folder, image, image_pose, settings, limits, media)
    if driving is None:
        if source is not None:
            _write_poster(preview, folder, _over(source.dimmed(), source.pose))
        return preview
    with DriverCopy(folder / "driver.mp4") as copy:
        found = find_poses(
            driving, limits, settings.detector, settings.cleaning, progress, media, settings.trim,
            settings.pose_options, None if source is None else source.canvas, copy.keep,
        )  # fmt: skip
    preview.files |= {"pose": folder / "pose.mp4", "keypoints": folder / "keypoints.json"}
    write_poses(preview.files["pose"], found.poses, found.fps)
    frames = [[pose] for pose in found.poses]
    write_pose_file(preview.files["keypoints"], frames, float(found.fps), is_cleaned=True)
    preview.warnings += found.warnings
    preview.quality = found.quality
    placed = None if source is None else _place(preview, source, found, settings)
    has_frames = copy.content() is not None
    _write_videos(preview, folder, found, source, placed, copy.path if has_frames else None, check)
    preview.analysis = _analysis(found, placed, settings) | {"warnings": preview.warnings}
    return preview


def _read_source(
    preview: PosePreview,
    folder: Path,
    path: Path,
    pose_path: Path | None,
    settings: PreviewSettings,
    limits: MediaLimits | None,
    media: MediaSource | None,
) -> _Source:
    """Read the image and write its pose file. Raises NoPersonError."""
    image, warnings = read_source_image(path, limits, media)
    options = settings.pose_options.for_image()
    pose, more = find_source_pose(image, pose_path, settings.detector, options, needed=True)
    assert pose is not None  # it is needed
    preview.warnings += [*warnings, *more]
    preview.files["image_keypoints"] = folder / "image_keypoints.json"
    write_pose_file(preview.files["image_keypoints"], [[pose]])
    return _Source(image, pose)


def _place(
    preview: PosePreview, source: _Source, found: FoundPoses, settings: PreviewSettings
) -> list[Pose]:
    """Return the driving poses in the image, with warnings on how they fit."""
    how = {"retarget": settings.retarget, "root_motion": settings.root_motion}
    warnings, agreement = check_fit(source.pose, found.poses, source.canvas, **how)  # type: ignore[arg-type]
    preview.warnings += warnings
    preview.quality = preview.quality | {"alignment": agreement}
    if settings.retarget:
        return retarget_poses(source.pose, found.poses, settings.root_motion)
    return move_to_canvas(found.poses, source.canvas)


def _write_videos(
    preview: PosePreview,
    folder: Path,
    found: FoundPoses,
    source: _Source | None,
    placed: Sequence[Pose] | None,
    driver: Path | None,
    check: Callable[[], None],
) -> None:
    """Write the review and the poster, and with an image also `fit`."""
    fit, size = None, found.poses[0].canvas
    names = ["driver", "driver_skeleton"]
    with ExitStack() as stack:
        if source is not None:
            names, size = [*names, "fit"], source.canvas
            preview.files["fit"] = folder / "fit.mp4"
            shown_size, under = source.shown_size, source.dimmed()
            fit = stack.enter_context(exact_writer(preview.files["fit"], found.fps, shown_size))
        preview.files["review"] = folder / "review.mp4"
        review = stack.enter_context(ReviewWriter(preview.files["review"], found.fps, names, size))
        for index, frame in enumerate(_driver_frames(found.poses, driver)):
            check()
            pictures = {"driver": frame, "driver_skeleton": _over(frame, found.poses[index])}
            if fit is not None and placed is not None:
                pictures["fit"] = _over(under, placed[index])
                fit.write(pictures["fit"])
            review.write(pictures)
            if index == 0:
                _write_poster(preview, folder, pictures[names[-1]])
    preview.review = review.layout


def _driver_frames(poses: Sequence[Pose], driver: Path | None) -> Iterator[Picture]:
    """Yield the frames of the driving video; of a pose file black ones."""
    if driver is not None:
        yield from copied_frames(driver)
        return
    height, width = fitted_size(poses[0].canvas, (MAX_SIDE // 2, MAX_SIDE // 2))
    yield from (np.zeros((height, width, 3), np.uint8) for _ in poses)


def _write_poster(preview: PosePreview, folder: Path, picture: Picture) -> None:
    preview.files["poster"] = folder / "poster.png"
    write_png(preview.files["poster"], picture)


def _over(picture: Picture, pose: Pose) -> Picture:
    """Return a picture with a skeleton, whose canvas is stretched over it."""
    height, width = picture.shape[:2]
    skeleton = draw_pose(pose, (height, width))
    return np.where(skeleton.any(axis=2, keepdims=True), skeleton, picture)


def _analysis(
    found: FoundPoses, placed: Sequence[Pose] | None, settings: PreviewSettings
) -> dict[str, Any]:
    height, width = found.poses[0].canvas
    sure = sure_people(found.people, settings.cleaning)
    people = find_people(sure, settings.cleaning.person, float(found.fps))
    return {
        "fps": as_text(Fraction(found.fps)),
        "frames": len(found.poses),
        "width": width,
        "height": height,
        "confidence": [round(value, 3) for value in found.cleaned.confidence],
        "repaired": [asdict(repair) for repair in found.cleaned.repairs],
        "people": [asdict(person) for person in people],
        "outside": None if placed is None else frames_outside(placed, found.poses),
    }
