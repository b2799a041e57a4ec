"""The pose of the character in the image: detected, or read from a pose file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.poses.document import PoseFileOptions, check_one_person
from media.poses.keypoints import Pose
from media.poses.pose_file import read_pose_file
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import ConfigError, NoPersonError, PoseFileError, WeightsError


def find_source_pose(
    image: NDArray[np.uint8],
    path: Path | None,
    detector: str,
    options: PoseFileOptions,
    *,
    needed: bool,
) -> tuple[Pose | None, list[str]]:
    """Return the source pose and warnings; None if it was not found and is not needed.

    Args:
        image: (height, width, 3) uint8 RGB, the character.
        path: its pose file, with a canvas of the image's size; by default the pose is detected.
        detector: name of the pose detector.
        options: facts about the pose file.
        needed: whether to raise the errors.

    Raises:
        NoPersonError, PoseFileError, ConfigError, WeightsError: there is no usable pose.
    """
    try:
        if path is None:
            return _detected_source(image, detector), []
        return _read_source(image, path, options)
    except (NoPersonError, PoseFileError, ConfigError, WeightsError) as error:
        if needed:
            raise
        unknown = f"could not check how well the driving poses fit the image: {error}"
        return None, [] if isinstance(error, NoPersonError) else [unknown]


def _detected_source(image: NDArray[np.uint8], detector: str) -> Pose:
    pose = build_detector(detector).detect_one(image)
    if not pose.detected.any():
        raise NoPersonError(
            "no person was found in the image; give its pose (image_pose, or --source-pose), "
            "or switch retargeting off"
        )
    return pose


def _read_source(
    image: NDArray[np.uint8], path: Path, options: PoseFileOptions
) -> tuple[Pose, list[str]]:
    height, width = image.shape[:2]
    document = read_pose_file(path, options, image_size=(height, width))
    people = document.frames[0]
    check_one_person(path.name, len(people))
    if people[0].canvas != (height, width):
        canvas_height, canvas_width = people[0].canvas
        raise PoseFileError(
            f"{path.name}: the canvas is {canvas_width}x{canvas_height}; "
            f"the image is {width}x{height}; give a pose made from this image"
        )
    return people[0], document.warnings
