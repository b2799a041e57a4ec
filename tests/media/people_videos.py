"""Videos as people have them: of phones, cameras, broadcasts, web pages and music players."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import ExifTags, Image

from media.kinds import PNG
from tests.media.make_media import flag
from tests.media.people_images import ADOBE_RGB, copier, in_profile, srgb_to_linear

FPS, COUNT = Fraction(12), 6
HEIGHT, WIDTH = 48, 64
# CIE colours of BT.709 in BT.2020. Source: ITU-R BT.2087, table 1.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


class VideoCase(NamedTuple):
    """A video file and how it must be read.

    Attributes:
        write: writes the file.
        frames: the number of frames.
        fps: frames per second.
        truth: the frames, uint8 RGB; None if only their number is checked.
        tolerance: largest mean difference of levels in a frame that is accepted.
        warning: part of the only warning; empty if there must be none.
    """

    write: Callable[[Path], object]
    frames: int = COUNT
    fps: Fraction = FPS
    truth: Sequence[NDArray[np.uint8]] | None = None
    tolerance: float = 0.0
    warning: str = ""


@cache
def moving_bar(count: int = COUNT) -> list[NDArray[np.uint8]]:
    """Return frames in which a light bar moves over a dark ground with colours."""
    frames = []
    for index in range(count):
        frame = np.full((HEIGHT, WIDTH, 3), (40, 60, 90), np.uint8)
        frame[:, 8 * index : 8 * index + 12] = (200, 170, 120)
        frames.append(frame)
    return frames


def write_video(
    path: Path,
    pictures: Sequence[VideoFrame],
    *,
    kind: str = "mp4",
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    first: Callable[[Any], Callable[[], None]] = lambda output: lambda: None,
    prepare: Callable[[VideoStream], None] = lambda stream: None,
) -> None:
    """Write pictures at 12 fps.

    Args:
        first: adds a stream before that of the video, and returns a function that writes it.
        prepare: sets more on its stream.
    """
    with av.open(str(path), "w", format=kind) as output:
        write_first = first(output)
        stream = output.add_stream(codec, rate=FPS, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, pix_fmt
        prepare(stream)
        output.start_encoding()
        write_first()
        for index, picture in enumerate(pictures):
            picture.pts, picture.time_base = index, 1 / FPS
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def _pictures(pix_fmt: str) -> list[VideoFrame]:
    return [
        VideoFrame.from_ndarray(frame, format="rgb24").reformat(
            format=pix_fmt, dst_colorspace=Colorspace.ITU601
        )
        for frame in moving_bar()
    ]


def _write_plain(path: Path, pix_fmt: str = "yuv420p", **options: Any) -> None:
    write_video(path, _pictures(pix_fmt), pix_fmt=pix_fmt, **options)


def _make_narrow(stream: VideoStream) -> None:
    """Set a width whose rows FFmpeg pads in memory."""
    stream.width = 54


def _add_cover(output: Any) -> Callable[[], None]:
    """Add a still image as a video stream that is not marked as cover art."""
    stream = output.add_stream("mjpeg", rate=1)
    stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuvj420p"

    def write() -> None:
        picture = VideoFrame.from_ndarray(flag(), format="rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        output.mux(stream.encode(picture) + stream.encode(None))

    return write


def _add_silence(output: Any) -> Callable[[], None]:
    """Add a sound track."""
    stream = output.add_stream("aac", rate=48_000, layout="mono")

    def write() -> None:
        silence = np.zeros((1, 24_000), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        output.mux(stream.encode(frame) + stream.encode(None))

    return write


def _write_images(path: Path, kind: str) -> None:
    images = [Image.fromarray(frame) for frame in moving_bar()]
    options = {"lossless": True} if kind == "WEBP" else {}
    times = [83 + index % 3 // 2 if kind == "WEBP" else 80 for index in range(COUNT)]
    images[0].save(
        path, kind, save_all=True, append_images=images[1:], duration=times, loop=0, **options
    )


def _write_turned_webp(path: Path) -> None:
    """Write an animated WebP in the colours of Adobe RGB, to be turned to the right."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    _write_profiled(path, "WEBP", lossless=True, exif=exif)


def _write_profiled(path: Path, kind: str, **options: Any) -> None:
    """Write an animated image in the colours of Adobe RGB."""
    first, *others = (Image.fromarray(in_profile(frame, ADOBE_RGB)) for frame in moving_bar())
    first.save(
        path, kind, save_all=True, append_images=others, duration=100, icc_profile=ADOBE_RGB,
        **options,
    )  # fmt: skip


def _write_timed(path: Path, kind: str, times_ms: list[int], **options: Any) -> None:
    """Write an animated image whose frames are shown for these times."""
    first, *others = (Image.fromarray(frame) for frame in moving_bar())
    first.save(path, kind, save_all=True, append_images=others, duration=times_ms, **options)


def _write_transparent_avif(path: Path) -> None:
    """Write an animated AVIF of which only the bar is opaque, over colours that are hidden."""
    first, *others = (
        Image.fromarray(np.dstack([frame, np.where(frame[..., 0] == 200, 255, 0)]).astype(np.uint8))
        for frame in moving_bar()
    )
    first.save(path, "AVIF", save_all=True, append_images=others, duration=100, quality=95)


def _write_described_png(path: Path) -> None:
    """Write an animated PNG with a text of 100 kB before everything else."""
    _write_images(path, "PNG")
    content, header = path.read_bytes(), len(PNG) + 25
    text = b"Comment\0" + bytes(range(32, 127)) * 1100
    chunk = b"tEXt" + text
    described = len(text).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(content[:header] + described + content[header:])


def _write_interlaced(path: Path, codec: str, kind: str, pix_fmt: str) -> None:
    """Write a bar that moves between the two fields of each frame, the lower one first."""
    fields = interlaced_fields()
    odd = np.arange(HEIGHT)[:, None, None] % 2 == 1
    woven = [np.where(odd, lower, upper) for upper, lower in fields]
    pictures = [
        VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pix_fmt) for frame in woven
    ]

    def mark(stream: VideoStream) -> None:
        quality = {"crf": "4"} if codec == "libx264" else {"qscale": "2"}
        stream.codec_context.options = {"flags": "+ilme+ildct"} | quality

    write_video(path, pictures, codec=codec, kind=kind, pix_fmt=pix_fmt, prepare=mark)


def interlaced_fields() -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return the picture of the upper and of the lower field of each frame."""
    grey = [np.repeat(frame[..., :1], 3, axis=-1) for frame in moving_bar()]
    return [(np.roll(frame, 4, axis=1), frame) for frame in grey]


def _write_hdr(path: Path, transfer: ColorTrc) -> None:
    """Write HDR with the reference white at 203 cd/m2."""

    def mark(stream: VideoStream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_trc = Colorspace.BT2020, transfer
        context.color_primaries = ColorPrimaries.BT2020

    pictures = []
    for frame in moving_bar():
        light = srgb_to_linear(frame) @ TO_BT2020.T * 203
        code = _pq(light) if transfer == ColorTrc.SMPTE2084 else _hlg(light)
        levels = (code * 65_535).round().astype(np.uint16)
        picture = VideoFrame.from_ndarray(levels, format="rgb48le").reformat(
            format="yuv420p10le", dst_colorspace=Colorspace.BT2020
        )
        picture.colorspace = Colorspace.BT2020
        pictures.append(picture)
    write_video(
        path, pictures, codec="libx265", pix_fmt="yuv420p10le", prepare=mark,
        options={"x265-params": "log-level=none:lossless=1"},
    )  # fmt: skip


def _pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Code light in cd/m2 as SMPTE ST 2084."""
    power = (light / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def _hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Code light in cd/m2 of a display of 1000 cd/m2 as ITU-R BT.2100 HLG."""
    shown = light / 1000
    luminance = (shown * (0.2627, 0.6780, 0.0593)).sum(-1, keepdims=True)
    scene = shown * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    bright = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright))


def video_cases() -> dict[str, VideoCase]:
    """Return all files by what they are."""
    bar = moving_bar()
    lower = [fields[1] for fields in interlaced_fields()]
    sdr = "is HDR ({}); its colours and brightness were reduced to SDR"
    combs = "is interlaced; it was deinterlaced"
    cut_out = [np.where(frame == (200, 170, 120), frame, 255).astype(np.uint8) for frame in bar]
    slow = [bar[0], bar[1], bar[1], *bar[1:]]
    return {
        "base.avif": VideoCase(copier("base.avif"), 24),
        "base.webp": VideoCase(copier("base.webp"), 24),
        "animated WebP": VideoCase(partial(_write_images, kind="WEBP"), truth=bar),
        "animated WebP of uneven times": VideoCase(
            partial(_write_timed, kind="WEBP", times_ms=[100, 300, *[100] * 4], lossless=True),
            8, Fraction(10), slow,
        ),
        **{
            f"animated {kind} whose last frame stays": VideoCase(
                partial(_write_timed, kind=kind, times_ms=[100] * 5 + [2000]),
                25, Fraction(10), [*bar, *[bar[-1]] * 19], tolerance=6,
            )
            for kind in ("GIF", "WEBP", "PNG", "AVIF")
        },
        **{
            f"animated {kind} of 1 ms": VideoCase(
                partial(_write_timed, kind=kind, times_ms=[1] * COUNT),
                fps=Fraction(10), truth=bar, tolerance=6,
            )
            for kind in ("WEBP", "PNG", "AVIF")
        },
        **{
            f"animated {kind} with a profile": VideoCase(
                partial(_write_profiled, kind=kind),
                fps=Fraction(10), truth=bar, tolerance=tolerance,
            )
            for kind, tolerance in (("PNG", 2), ("AVIF", 6))
        },
        "animated AVIF with transparent parts": VideoCase(
            _write_transparent_avif, fps=Fraction(10), truth=cut_out, tolerance=2,
        ),
        "animated PNG with large metadata": VideoCase(
            _write_described_png, fps=Fraction(25, 2), truth=bar,
        ),
        "animated WebP with a profile, turned": VideoCase(
            _write_turned_webp,
            fps=Fraction(10),
            truth=[np.rot90(frame, -1) for frame in bar],
            tolerance=2,
        ),
        "animated PNG": VideoCase(
            partial(_write_images, kind="PNG"), fps=Fraction(25, 2), truth=bar
        ),
        "animated GIF": VideoCase(
            partial(_write_images, kind="GIF"), fps=Fraction(25, 2), truth=bar, tolerance=6
        ),
        "cover_big.mp4": VideoCase(copier("cover_big.mp4"), 24),
        "cover first, not marked": VideoCase(
            partial(_write_plain, kind="mp4", first=_add_cover), truth=bar, tolerance=4
        ),
        "cover first in Matroska": VideoCase(
            partial(_write_plain, kind="matroska", first=_add_cover), truth=bar, tolerance=4
        ),
        "sound first": VideoCase(partial(_write_plain, first=_add_silence), truth=bar, tolerance=4),
        "54 pixels wide": VideoCase(partial(_write_plain, prepare=_make_narrow)),
        "10 bits, 4:2:2": VideoCase(
            partial(_write_plain, pix_fmt="yuv422p10le", codec="ffv1", kind="matroska"),
            truth=bar,
            tolerance=4,
        ),
        "interlaced H.264": VideoCase(
            partial(
                _write_interlaced, codec="libx264", kind="mp4", pix_fmt="yuv420p"
            ),
            truth=lower, tolerance=3, warning=combs,
        ),
        "interlaced MPEG-2, 4:2:2": VideoCase(
            partial(
                _write_interlaced, codec="mpeg2video", kind="mpegts", pix_fmt="yuv422p"
            ),
            truth=lower, tolerance=3, warning=combs,
        ),
        "PQ": VideoCase(
            partial(_write_hdr, transfer=ColorTrc.SMPTE2084), truth=bar, tolerance=3,
            warning=sdr.format("PQ"),
        ),
        "HLG": VideoCase(
            partial(_write_hdr, transfer=ColorTrc.ARIB_STD_B67), truth=bar, tolerance=3,
            warning=sdr.format("HLG"),
        ),
    }  # fmt: skip
