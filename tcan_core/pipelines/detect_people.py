"""Detection of people in every frame of a video."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.limits import MediaLimits
from media.poses.keypoints import Pose
from media.source import LocalMediaSource, MediaSource
from media.trim import Trim
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import MediaError

# Limits of a batch for the detector, in frames and in pixels.
_DETECT_BATCH, _DETECT_PIXELS = 32, 16_000_000


class DetectedPeople(NamedTuple):
    """The people in each frame of a video, its frame rate, and warnings for the user."""

    frames: list[list[Pose]]
    fps: Fraction
    warnings: list[str]


def detect_people(
    path: Path,
    limits: MediaLimits | None = None,
    detector: str = "puppet",
    progress: Callable[[int, int], None] | None = None,
    media: MediaSource | None = None,
    trim: Trim | None = None,
    keep: Callable[[NDArray[np.uint8], Fraction], None] | None = None,
) -> DetectedPeople:
    """Detect the people of every frame of a video, a few frames in memory at a time.

    Args:
        trim: the part of the video; all of it by default.
        keep: called with each frame, (height, width, 3) uint8 RGB, and the frame rate.

    Raises:
        MediaError: the video cannot be used.
        ParameterError: `trim` begins behind its end.
    """
    people_detector = build_detector(detector)
    trim = trim or Trim()
    people: list[list[Pose]] = []
    batch: list[NDArray[np.uint8]] = []
    with (media or LocalMediaSource()).video(path, limits) as frames:
        part = trim.frames(frames.fps)
        expected = len(range(frames.expected)[part])
        for frame in islice(frames, part.start, part.stop):
            if keep is not None:
                keep(frame, frames.fps)
            batch.append(frame)
            pixels = len(batch) * frame.shape[0] * frame.shape[1]
            if len(batch) == _DETECT_BATCH or pixels >= _DETECT_PIXELS:
                people += people_detector.detect(np.stack(batch))
                batch.clear()
                if progress is not None:
                    progress(len(people), max(expected, len(people)))
        fps, warnings = frames.fps, list(frames.warnings)
    if batch:
        people += people_detector.detect(np.stack(batch))
    if not people:
        trim.check(path.name, frames.expected, fps)
        raise MediaError(f"{path.name}: the video has no frames")
    return DetectedPeople(people, fps, warnings)
