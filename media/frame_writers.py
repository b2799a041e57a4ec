"""Writers of frames by the suffix of a file: mp4 and WebM video, GIF, a zip of PNGs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from media.atomic_write import atomic_write
from media.container import ffmpeg_errors
from media.errors import ParameterError
from media.video_writer import UNWRITABLE, VideoWriter

GIF_TICKS = 100  # a GIF's times are hundredths of a second
COLOURS = 256


class FrameWriter(Protocol):
    """Takes an animation frame by frame."""

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame, (height, width, 3) uint8 RGB."""


@contextmanager
def open_writer(
    path: Path, fps: Fraction, size: tuple[int, int], audio_from: Path | None = None
) -> Iterator[FrameWriter]:
    """A writer for the kind that the suffix names; the file appears when the block ends well.

    `.gif` has 256 colours, chosen for each frame, and times in hundredths of a second; `.zip` holds
    `00000.png`, `00001.png` and so on, exactly as they came; `.webm` is VP9; all else is mp4.

    Args:
        size: (height, width) of every frame.
        audio_from: a video whose sound is copied; mp4 only.

    Raises:
        ParameterError: sound for a kind that takes none, no frame, or as `VideoWriter`.
        MediaError: the file cannot be written.
    """
    kind = path.suffix.lower()
    if audio_from is not None and kind in (".gif", ".zip", ".webm"):
        raise ParameterError(f"{path.name}: only an mp4 is given sound")
    if kind not in (".gif", ".zip"):
        with VideoWriter(path, fps, size, audio_from=audio_from) as video:
            yield video
        return
    with atomic_write(path) as unfinished:
        if kind == ".zip":
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
                yield _Pictures(archive)
        else:
            with _Gif(unfinished, fps, size) as gif:
                yield gif


class _Pictures:
    """PNGs are packed already; the archive stores them as they are."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._count = 0

    def write(self, frame: NDArray[np.uint8]) -> None:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "PNG")
        self._archive.writestr(f"{self._count:05d}.png", stream.getvalue())
        self._count += 1


class _Gif:
    """One palette per frame, one frame in memory at a time."""

    def __init__(self, path: Path, fps: Fraction, size: tuple[int, int]) -> None:
        self._path, self._fps = path, fps
        self._count = 0
        with ffmpeg_errors(path.name, UNWRITABLE):
            self._output = av.open(str(path), "w", format="gif")
            self._stream = self._output.add_stream("gif", rate=fps)
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = "pal8"
            self._stream.codec_context.time_base = Fraction(1, GIF_TICKS)

    def __enter__(self) -> _Gif:
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        picture = Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
        indices = np.asarray(picture, dtype=np.uint8)
        moment = VideoFrame.from_ndarray(
            (indices, _palette(picture)),  # type: ignore[arg-type]  # a pair for pal8
            format="pal8",
        )
        moment.pts = round(self._count * GIF_TICKS / self._fps)
        moment.time_base = Fraction(1, GIF_TICKS)
        self._count += 1
        with ffmpeg_errors(self._path.name, UNWRITABLE):
            self._output.mux(self._stream.encode(moment))

    def __exit__(self, *raised: object) -> None:
        with ffmpeg_errors(self._path.name, UNWRITABLE):
            if self._count and raised[0] is None:
                self._output.mux(self._stream.encode(None))
            self._output.close()


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    """(256, 4) uint8, alpha first, as FFmpeg lays it out."""
    colours = np.array(picture.getpalette() or [], dtype=np.uint8).reshape(-1, 3)
    table = np.full((COLOURS, 4), 255, dtype=np.uint8)
    table[: len(colours), 1:] = colours
    return table
