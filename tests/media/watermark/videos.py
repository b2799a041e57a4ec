"""Puppet videos that are watermarked, encoded again, and examined."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from media.image import read_image
from media.video_reader import read_video
from media.video_writer import VideoWriter
from media.watermark.detect import WatermarkDetector, WatermarkResult
from media.watermark.pattern import PUBLIC_KEY, pattern
from tcan_core.puppets.pairs import render_pair

FPS = Fraction(25)
PAYLOAD = 0xC0FFEE42
THREE_QUARTERS = 0.75

Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Trial:
    """One video with and without its watermark, and the detection results.

    Attributes:
        psnr_db: of the watermarked frames.
        bit_rate: ratio of the encoded videos, watermarked over plain.
        half_rate: bits of the copy at half the bit rate over those of the result.
        found: in the result, at half the bit rate, resized, and in the plain result.
    """

    psnr_db: float
    bit_rate: float
    half_rate: float
    found: dict[str, WatermarkResult]


def puppet_frames(folder: Path, seed: int, frames: int, size: int) -> Frames:
    """Return the target frames of a pair of puppets."""
    folder.mkdir()
    render_pair(folder, seed=seed, num_frames=frames, size=size)
    return [read_image(path) for path in sorted((folder / "target").glob("*.png"))]


def watermarked(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame with a watermark, also below the minimum size."""
    height, width = frame.shape[:2]
    added = pattern(height, width, PAYLOAD, PUBLIC_KEY)[..., None]
    marked: NDArray[np.uint8] = np.clip(np.rint(frame + added), 0, 255).astype(np.uint8)
    return marked


def try_watermark(folder: Path, frames: Frames) -> Trial:
    """Watermark a video, encode it as the service does, encode that again, and detect."""
    marked = [watermarked(frame) for frame in frames]
    plain = encoded(folder / "plain.mp4", frames)
    result = encoded(folder / "result.mp4", marked)
    decoded, bits = list(read_video(result)), result.stat().st_size * 8
    half, half_bits = at_bit_rate(decoded, bits / len(frames) * float(FPS) / 2)
    small = [resized(frame, THREE_QUARTERS) for frame in decoded]
    return Trial(
        psnr_db=psnr_db(frames, marked),
        bit_rate=result.stat().st_size / plain.stat().st_size,
        half_rate=half_bits / bits,
        found={
            "result": detect(decoded),
            "half": detect(half),
            "resized": detect(list(read_video(encoded(folder / "small.mp4", small)))),
            "unmarked": detect(list(read_video(plain))),
        },
    )


def detect(frames: Frames) -> WatermarkResult:
    """Return the detection result of the frames."""
    detector = WatermarkDetector()
    for frame in frames:
        detector.add(frame)
    return detector.result()


def encoded(file: Path, frames: Frames) -> Path:
    """Encode the frames as the service does."""
    with VideoWriter(file, FPS, frames[0].shape[:2]) as writer:
        for frame in frames:
            writer.write(frame)
    return file


def at_bit_rate(frames: Frames, bits_per_s: float) -> tuple[Frames, int]:
    """Encode the frames with x264 at this mean bit rate; return them decoded, and their bits.

    Short clips miss the requested rate, so it is adjusted until the file has the target size,
    within a tenth.
    """
    target, rate = bits_per_s * len(frames) / float(FPS), bits_per_s
    for _ in range(6):
        file = _x264(frames, rate)
        bits = len(file.getvalue()) * 8
        if abs(bits / target - 1) < 0.1:
            break
        rate *= min(2.0, max(0.5, target / bits))
    with av.open(file, "r") as container:
        decoded = [
            np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode(video=0)
        ]
    return decoded, bits


def resized(frame: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Return a frame scaled by a factor, by area averaging."""
    height, width = (round(side * factor / 2) * 2 for side in frame.shape[:2])
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def psnr_db(one: Frames, other: Frames) -> float:
    """Return the PSNR over all frames."""
    error = np.stack(one).astype(np.float64) - np.stack(other)
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def _x264(frames: Frames, bits_per_s: float) -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", int(bits_per_s)
        for frame in frames:
            container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    return file
