"""Display times of the frames of a video."""

from __future__ import annotations

from av.container import InputContainer
from av.video.stream import VideoStream

from media.container import DAMAGED, frame_packets, map_ffmpeg_errors
from media.errors import MediaError, Problem
from media.limits import MediaLimits
from media.timing import StoredTimes


def frame_times(
    name: str, container: InputContainer, stream: VideoStream, limits: MediaLimits
) -> StoredTimes:
    """Return the display times of all frames; nothing is decoded.

    Raises:
        MediaError: the file ends early, holds no frame, or more than the limit.
    """
    times: list[float | None] = []
    stored, latest, last_duration_s = 0, float("-inf"), None
    per_tick = float(stream.time_base or 1)
    with map_ffmpeg_errors(name, DAMAGED):
        for stored, packet in enumerate(frame_packets(container, stream), 1):
            _check_count(name, stored, limits)
            if packet.is_discard:  # hidden by an edit list; other frames may depend on it
                continue
            time_s = None if packet.pts is None else packet.pts * per_tick
            times.append(time_s)
            if time_s is not None and time_s > latest:
                latest, last_duration_s = time_s, (packet.duration or 0) * per_tick or None
    _check_complete(name, stored, container, stream)
    if not times:
        raise MediaError(f"{name}: the video shows no frames; its edit list hides all {stored:,}")
    return StoredTimes(times, last_duration_s, (stream.average_rate, stream.guessed_rate))


def _check_count(name: str, count: int, limits: MediaLimits) -> None:
    # The rate is not known yet: fewer frames may be read than are stored, but not far fewer.
    if count > 4 * limits.max_frames:
        raise MediaError(
            f"{name}: the video has more than {4 * limits.max_frames:,} frames;"
            f" at most {limits.max_frames:,} are allowed",
            Problem.TOO_LONG,
        )


def _check_complete(name: str, stored: int, container: InputContainer, stream: VideoStream) -> None:
    """Compare with the index, which also counts the frames that an edit list hides."""
    if stored == 0:
        raise MediaError(f"{name}: the video has no frames")
    indexed = len(stream.index_entries) if "mov" in container.format.name else 0
    if stored < indexed:
        raise MediaError(f"{name}: the file ends early; it has {stored:,} of {indexed:,} frames")
