"""Write H.264 or VP9 video frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from media.atomic_write import temporary_path
from media.audio import AudioTrack
from media.container import map_ffmpeg_errors
from media.errors import MediaError, ParameterError

BT709 = 1  # the code of BT.709 for matrix, primaries and transfer alike (H.264, table E-3)
UNWRITABLE = "the video cannot be written"
EXACT_KEY_FRAME_INTERVAL = 8


class Kind(NamedTuple):
    """A container format with its muxer's options and its codec."""

    name: str
    options: dict[str, str]
    codec: Literal["libx264", "libvpx-vp9"]


MP4 = Kind("mp4", {"movflags": "+faststart"}, "libx264")
WEBM = Kind("webm", {}, "libvpx-vp9")


class VideoWriter:
    """A writer of mp4 files with H.264 yuv420p and the index at the beginning.

    For a path that ends in `.webm` it writes VP9 yuv420p in WebM; `preset` is ignored then. The
    file appears at its path only when the `with` block succeeds.

    yuv420p stores even sides only. An odd side is made even by repeating the last column or row, so
    that no pixel is lost; `stored_size` is the result.

    Args:
        path: output mp4 file; its folder must exist.
        fps: frames per second, stored exactly.
        size: (height, width) of every frame.
        crf: x264's constant quality, 0 (lossless) to 51; 18 looks like the original.
        preset: x264's speed, "ultrafast" to "veryslow".
        audio_from: a file whose first audio track is copied, up to the last frame; a
            codec that mp4 does not support is re-encoded as AAC.
        frame_exact: whether players must find each frame quickly: every eighth frame is a key
            frame, and frames are stored in the order of display.

    Raises:
        ParameterError: an argument is out of range, a frame has another size or type, or there is
            no frame.
        MediaError: `audio_from` cannot be read, or the disk fails.
    """

    def __init__(
        self,
        path: Path | str,
        fps: Fraction | int | float,
        size: tuple[int, int],
        *,
        crf: float = 18,
        preset: str = "medium",
        audio_from: Path | str | None = None,
        frame_exact: bool = False,
    ) -> None:
        self._path = Path(path)
        self.fps = _check_fps(fps)
        self.size = _check_size(size)
        self.stored_size = even_size(size)
        self.num_frames = 0
        if not 0 <= crf <= 51:
            raise ParameterError(f"crf is {crf}; it must lie in 0..51")
        self._kind = WEBM if self._path.suffix.lower() == ".webm" else MP4
        self._options = _x264_options(crf, preset) if self._kind is MP4 else _vp9_options(crf)
        self._key_frame_interval = max(1, round(2 * self.fps))
        if frame_exact:
            self._options["bf"], self._key_frame_interval = "0", EXACT_KEY_FRAME_INTERVAL
        self._audio_from = None if audio_from is None else Path(audio_from)
        self._temporary = temporary_path(self._path)
        self._audio: AudioTrack | None = None

    def __enter__(self) -> VideoWriter:
        if not self._path.parent.is_dir():
            raise MediaError(f"{self._path.name}: {UNWRITABLE} (no such folder)")
        with map_ffmpeg_errors(self._path.name, UNWRITABLE):
            self._output: OutputContainer = av.open(
                str(self._temporary), "w", format=self._kind.name, options=self._kind.options
            )
        try:
            self._stream = self._add_pictures()
            if self._audio_from is not None:
                self._audio = AudioTrack(self._audio_from, self._output)
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame, (height, width, 3) uint8 RGB."""
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise ParameterError(
                f"frame {self.num_frames} is {frame.dtype} {frame.shape};"
                f" it must be uint8 {(*self.size, 3)}"
            )
        picture = self._to_yuv(frame)
        with map_ffmpeg_errors(self._path.name, UNWRITABLE):
            self._output.mux(self._stream.encode(picture))
        self.num_frames += 1
        if self._audio is not None:
            self._audio.write_until(self.num_frames / float(self.fps))

    def __exit__(self, *raised: object) -> None:
        if raised[0] is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def _add_pictures(self) -> VideoStream:
        stream = self._output.add_stream(self._kind.codec, rate=self.fps, options=self._options)
        stream.height, stream.width = self.stored_size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        context.gop_size = self._key_frame_interval
        return stream

    def _to_yuv(self, frame: NDArray[np.uint8]) -> VideoFrame:
        rows, columns = (self.stored_size[axis] - self.size[axis] for axis in (0, 1))
        if rows or columns:
            frame = np.pad(frame, ((0, rows), (0, columns), (0, 0)), mode="edge")
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = self.num_frames, 1 / self.fps
        return picture

    def _finish(self) -> None:
        if self.num_frames == 0:
            raise ParameterError(f"{self._path.name}: no frame was written")
        with map_ffmpeg_errors(self._path.name, UNWRITABLE):
            self._output.mux(self._stream.encode(None))
            self._close()
            self._temporary.replace(self._path)

    def _close(self) -> None:
        if self._audio is not None:
            self._audio.close()
        self._output.close()

    def _discard(self) -> None:
        try:
            self._close()
        except (av.FFmpegError, OSError):
            pass  # the original error is raised
        self._temporary.unlink(missing_ok=True)


def _x264_options(crf: float, preset: str) -> dict[str, str]:
    """Return x264's options for output that depends on the frames only.

    By default x264's macroblock tree depends on uninitialized memory and on the processor.
    """
    return {"crf": str(crf), "preset": preset, "x264-params": "cpu-independent=1"}


def _vp9_options(crf: float) -> dict[str, str]:
    """Return libvpx's options. Its quality scale ends at 63; 25 is about x264's 18."""
    quality = round(crf * 63 / 51 + 3) if crf else 0
    return {"crf": str(min(quality, 63)), "b": "0", "deadline": "good", "cpu-used": "4"}


def _check_fps(fps: Fraction | int | float) -> Fraction:
    exact = Fraction(fps).limit_denominator(1001)
    if not 0 < exact <= 1000:
        raise ParameterError(f"fps is {fps}; it must be above 0 and at most 1000")
    return exact


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which frames of (height, width) are stored, with even sides."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 1 or max(size) > 16384:
        raise ParameterError(f"size is {size}; each side must lie in 1..16384")
    return size
