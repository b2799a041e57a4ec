"""Conditions that come as a video of maps, such as DensePose, in place of poses.

The maps are taken as they are: nothing is detected, cleaned or retargeted, and PTM is off, since
maps cover the whole picture.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path

from PIL import Image

from media.limits import MediaLimits
from media.poses.archive import is_pose_file
from media.source import LocalMediaSource, MediaSource
from media.trim import Trim
from tcan_core.conditioning.pose_maps import EncodedMaps
from tcan_core.errors import MediaError, ParameterError
from tcan_core.pipelines.animate_files import PreparedInput, read_source_image
from tcan_core.pipelines.sound import find_sound


def reject_pose_options(options: Mapping[str, object]) -> None:
    """Raise an error if an option about poses is given, which has no effect on maps.

    Args:
        options: values by the caller's names; None is not given.

    Raises:
        ParameterError: names the options.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ParameterError(
            f"{', '.join(given)} cannot be used with a preset that takes a video of maps: nothing "
            "is detected in it; leave it out"
        )


def prepare_maps(
    image_path: Path,
    driving_path: Path,
    *,
    limits: MediaLimits | None = None,
    progress: Callable[[int, int], None] | None = None,
    media: MediaSource | None = None,
    trim: Trim | None = None,
    audio: bool = False,
) -> PreparedInput:
    """Read the image and the video of maps; arguments as for `prepare`.

    Raises:
        MediaError: an input cannot be used.
        ParameterError: the driving file holds poses, or `trim` begins behind its end.
    """
    if is_pose_file(driving_path):
        raise ParameterError(
            f"{driving_path.name} holds poses; this preset takes a video of DensePose maps"
        )
    started = time.monotonic()
    image, warnings = read_source_image(image_path, limits, media)
    maps, fps, video_warnings = _read_maps(driving_path, limits, progress, media, trim or Trim())
    warnings += video_warnings
    sound = find_sound(driving_path, fps, trim, media, warnings.append) if audio else None
    seconds = {"prepare": time.monotonic() - started}
    return PreparedInput(image, None, [], fps, warnings, seconds, pose_maps=maps, sound=sound)


def _read_maps(
    path: Path,
    limits: MediaLimits | None,
    progress: Callable[[int, int], None] | None,
    media: MediaSource | None,
    trim: Trim,
) -> tuple[EncodedMaps, Fraction, list[str]]:
    encoded: list[bytes] = []
    with (media or LocalMediaSource()).video(path, limits) as frames:
        part = trim.frames(frames.fps)
        expected = len(range(frames.expected)[part])
        for frame in islice(frames, part.start, part.stop):
            stream = io.BytesIO()
            Image.fromarray(frame).save(stream, "png", compress_level=1)
            encoded.append(stream.getvalue())
            if progress is not None:
                progress(len(encoded), max(expected, len(encoded)))
        fps, warnings = frames.fps, list(frames.warnings)
    if not encoded:
        trim.check(path.name, frames.expected, fps)
        raise MediaError(f"{path.name}: the video has no frames")
    return EncodedMaps(encoded), fps, warnings
