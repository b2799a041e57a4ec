"""Writers of animations by file suffix: mp4 and WebM video, GIF, zip of PNGs."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from media.atomic_write import atomic_write
from media.container import map_ffmpeg_errors
from media.errors import ParameterError
from media.video_writer import UNWRITABLE, VideoWriter, even_size

GIF_TICKS = 100  # a GIF's times are hundredths of a second
GIF_MAX_FPS = 50  # browsers show shorter frames ten times as long
COLOURS = 256


class StoredFormat(NamedTuple):
    """How a file stores an animation.

    Attributes:
        fps: frames per second in the file.
        size: (height, width) in the file.
        warnings: sentences for the user on what the format cannot store.
    """

    fps: Fraction
    size: tuple[int, int]
    warnings: list[str]


def stored_format(path: Path, fps: Fraction, size: tuple[int, int]) -> StoredFormat:
    """Return how the writer for a path stores frames of this rate and (height, width)."""
    kind = path.suffix.lower()
    if kind == ".zip":
        return StoredFormat(fps, size, [])
    if kind != ".gif":
        return StoredFormat(fps, even_size(size), [])
    every = _gif_step(fps)
    if every == 1:
        return StoredFormat(fps, size, [])
    return StoredFormat(
        fps / every,
        size,
        [
            f"a GIF shows at most {GIF_MAX_FPS} frames per second; of the {float(fps):g} it has"
            f" {float(fps / every):g}, one frame in {every}, and lasts as long"
        ],
    )


def check_sound(path: Path) -> None:
    """Raise ParameterError if the file's format cannot have sound."""
    if path.suffix.lower() in (".gif", ".zip", ".webm"):
        raise ParameterError(f"{path.name}: only mp4 files can have audio; leave it out")


class FrameWriter(Protocol):
    """A writer of an animation, frame by frame."""

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame, (height, width, 3) uint8 RGB."""


@contextmanager
def open_writer(
    path: Path,
    fps: Fraction,
    size: tuple[int, int],
    audio_from: Path | None = None,
) -> Iterator[FrameWriter]:
    """Open a writer for the format of the suffix; the file appears when the block succeeds.

    `.gif` has 256 colours per frame, times in hundredths of a second, and at most 50 frames per
    second: of faster animations it leaves out frames. `.zip` contains
    `00000.png`, `00001.png` and so on without loss; `.webm` is VP9; every other suffix is mp4.

    Args:
        path: output file.
        fps: frames per second.
        size: (height, width) of every frame.
        audio_from: a video whose audio is copied; mp4 only.

    Raises:
        ParameterError: audio for another format than mp4, no frame, or as `VideoWriter`.
        MediaError: the file cannot be written.
    """
    kind = path.suffix.lower()
    if audio_from is not None:
        check_sound(path)
    if kind not in (".gif", ".zip"):
        with VideoWriter(path, fps, size, audio_from=audio_from) as video:
            yield video
        return
    with atomic_write(path) as temporary:
        if kind == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
                yield _PngArchive(archive)
        else:
            with _Gif(temporary, fps, size) as gif:
                yield gif


class _PngArchive:
    """A writer of PNGs to an uncompressed archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._count = 0

    def write(self, frame: NDArray[np.uint8]) -> None:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "PNG")
        self._archive.writestr(f"{self._count:05d}.png", stream.getvalue())
        self._count += 1


class _Gif:
    """A writer of a GIF with one palette per frame; it keeps one frame in memory."""

    def __init__(self, path: Path, fps: Fraction, size: tuple[int, int]) -> None:
        self._path, self._fps, self._every = path, fps, _gif_step(fps)
        self._count = 0
        self._last: Packet[VideoStream] | None = None
        with map_ffmpeg_errors(path.name, UNWRITABLE):
            self._output = av.open(str(path), "w", format="gif")
            self._stream = self._output.add_stream("gif", rate=fps)
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = "pal8"
            self._stream.codec_context.time_base = Fraction(1, GIF_TICKS)

    def __enter__(self) -> _Gif:
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        self._count += 1
        if (self._count - 1) % self._every:
            return
        picture = Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
        indices = np.asarray(picture, dtype=np.uint8)
        video_frame = VideoFrame.from_ndarray(
            (indices, _palette(picture)),  # type: ignore[arg-type]  # a pair for pal8
            format="pal8",
        )
        video_frame.pts = self._ticks(self._count - 1)
        video_frame.time_base = Fraction(1, GIF_TICKS)
        with map_ffmpeg_errors(self._path.name, UNWRITABLE):
            self._mux(self._stream.encode(video_frame))

    def _ticks(self, index: int) -> int:
        return round(index * GIF_TICKS / self._fps)

    def __exit__(self, *raised: object) -> None:
        with map_ffmpeg_errors(self._path.name, UNWRITABLE):
            if self._count and raised[0] is None:
                self._mux(self._stream.encode(None))
                assert self._last is not None and self._last.pts is not None
                self._last.duration = max(1, self._ticks(self._count) - self._last.pts)
                self._output.mux(self._last)
            self._output.close()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        """Write all packets but the last so far, whose duration is not known yet."""
        for packet in packets:
            if self._last is not None:
                self._output.mux(self._last)
            self._last = packet


def _gif_step(fps: Fraction) -> int:
    """Return which frames a GIF has: every first, every second..."""
    return max(1, math.ceil(fps / GIF_MAX_FPS))


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the palette as FFmpeg stores it: (256, 4) uint8, alpha first."""
    colours = np.array(picture.getpalette() or [], dtype=np.uint8).reshape(-1, 3)
    table = np.full((COLOURS, 4), 255, dtype=np.uint8)
    table[: len(colours), 1:] = colours
    return table
