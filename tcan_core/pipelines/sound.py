"""The sound of a result, which is read before the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from media.poses.archive import is_pose_file
from media.source import LocalMediaSource, MediaSource
from media.trim import Trim


def find_sound(
    driving: Path,
    fps: Fraction,
    trim: Trim | None,
    media: MediaSource | None,
    warn: Callable[[str], None],
) -> bytes | None:
    """Return the sound of a driving video as an mp4 file, or None if it has none to use.

    Args:
        fps: frame rate of the driving video.
        trim: the part of it; all of it by default.
        media: reads it; by default this process does.
        warn: called when sound is left out.

    Raises:
        MediaError: the file cannot be opened.
    """
    if is_pose_file(driving):
        warn(f"{driving.name}: a pose file has no sound, so the result has none")
        return None
    start_s = float(((trim or Trim()).frames(fps).start or 0) / fps)
    return (media or LocalMediaSource()).sound(driving, warn, start_s)


@contextmanager
def sound_file(sound: bytes | None) -> Iterator[Path | None]:
    """Write the sound to a temporary file for the length of a `with` block; None stays None."""
    if sound is None:
        yield None
        return
    with TemporaryDirectory(prefix="tcan-") as folder:
        file = Path(folder) / "sound.mp4"
        file.write_bytes(sound)
        yield file
