"""Every output format contains the frames that were written, at their rate."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media.frame_writers import open_writer, stored_format
from tcan_core.errors import ParameterError

FPS, SIZE = Fraction(12), (32, 48)


def frames(count: int = 12) -> list[NDArray[np.uint8]]:
    """Return frames of a bright bar that moves over a gradient, (32, 48, 3)."""
    made = []
    for index in range(count):
        frame = np.zeros((*SIZE, 3), dtype=np.uint8)
        frame[..., 0] = np.linspace(0, 200, SIZE[1], dtype=np.uint8)
        frame[:, 4 * index % SIZE[1] :][:, :4] = 255
        made.append(frame)
    return made


def written(path: Path) -> Path:
    """Write a file with these frames."""
    with open_writer(path, FPS, SIZE) as writer:
        for frame in frames():
            writer.write(frame)
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "most"), [("mp4", "h264", 8), ("webm", "vp9", 10), ("gif", "gif", 6)]
)
def test_animated_formats_keep_frames_and_rate(
    tmp_path: Path, suffix: str, codec: str, most: float
) -> None:
    with av.open(str(written(tmp_path / f"x.{suffix}"))) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name.startswith(codec)
        decoded = [
            (frame.time or 0.0, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(stream)
        ]
    assert len(decoded) == 12
    for index, ((time_s, seen), truth) in enumerate(zip(decoded, frames(), strict=True)):
        assert time_s == pytest.approx(index / 12, abs=0.006)
        assert np.abs(seen.astype(float) - truth).mean() < most
    assert [entry.name for entry in tmp_path.iterdir()] == [f"x.{suffix}"]


@pytest.mark.parametrize(
    ("fps", "kept", "rate"),
    [(50, 25, 50), (60, 13, 30), (Fraction(60_000, 1001), 13, 29.97), (100, 13, 50), (120, 9, 40)],
)
def test_gif_has_at_most_50_frames_per_second_and_keeps_the_duration(
    tmp_path: Path, fps: Fraction | int, kept: int, rate: float
) -> None:
    with open_writer(tmp_path / "x.gif", Fraction(fps), SIZE) as writer:
        for frame in frames(25):
            writer.write(frame)
    with Image.open(tmp_path / "x.gif") as gif:
        durations_ms = []
        for index in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(index)
            durations_ms.append(gif.info["duration"])
    assert len(durations_ms) == kept
    assert sum(durations_ms) == pytest.approx(1000 * 25 / fps, abs=6)

    stored = stored_format(tmp_path / "x.gif", Fraction(fps), SIZE)
    assert float(stored.fps) == pytest.approx(rate, abs=0.01)
    assert ["at most 50 frames per second" in text for text in stored.warnings] == [True] * (
        kept < 25
    )


def test_stored_size_has_even_sides_in_videos_only() -> None:
    sizes = {
        suffix: stored_format(Path(f"x.{suffix}"), FPS, (99, 101)).size
        for suffix in ("mp4", "webm", "gif", "zip")
    }
    assert sizes == {"mp4": (100, 102), "webm": (100, 102), "gif": (99, 101), "zip": (99, 101)}


def test_zip_contains_the_exact_frames(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(tmp_path / "x.zip")) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{index:05d}.png" for index in range(12)]
        for name, truth in zip(archive.namelist(), frames(), strict=True):
            assert (np.asarray(Image.open(io.BytesIO(archive.read(name)))) == truth).all()


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "zip"])
def test_failed_write_leaves_no_file(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(KeyError), open_writer(tmp_path / f"x.{suffix}", FPS, SIZE) as writer:
        writer.write(frames()[0])
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_audio_for_other_formats_than_mp4_is_rejected(tmp_path: Path) -> None:
    song = written(tmp_path / "song.mp4")
    with pytest.raises(ParameterError, match="only mp4 files can have audio"):
        with open_writer(tmp_path / "x.gif", FPS, SIZE, song):
            pass
