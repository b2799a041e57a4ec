"""Videos are read upright, over white, at a constant rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.limits import MediaLimits
from media.video_reader import VideoReader, read_video
from tcan_core.errors import ParameterError
from tests.media.make_media import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    flag,
    grey_levels,
    make_video,
    show_only,
    steps,
    trim,
)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "libx264", "yuv444p"),
        ("a.mkv", "libx264", "yuv422p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.h264", "libx264", "yuv420p"),
    ],
)
def test_constant_rate_video_is_read_frame_by_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = make_video(tmp_path / name, steps(12), codec=codec, pix_fmt=pix_fmt)

    reader = VideoReader(path)

    assert (reader.size, reader.info.num_frames_estimate) == ((48, 64), 12)
    assert reader.fps == 25
    assert grey_levels(list(reader)) == list(range(1, 13))
    assert grey_levels(list(reader)) == list(range(1, 13)), "a second iteration restarts"


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25, 2)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_fractional_rates_are_exact(tmp_path: Path, name: str, fps: Fraction) -> None:
    path = make_video(tmp_path / name, steps(20), fps=fps)

    reader = VideoReader(path)

    assert reader.fps == fps
    assert grey_levels(list(reader)) == list(range(1, 21))


@pytest.mark.parametrize(
    ("rotation", "mirrored", "size", "expected"),
    [
        (0, False, (48, 64), [RED, GREEN, BLUE, WHITE]),
        (90, False, (64, 48), [GREEN, WHITE, RED, BLUE]),
        (-90, False, (64, 48), [BLUE, RED, WHITE, GREEN]),
        (180, False, (48, 64), [WHITE, BLUE, GREEN, RED]),
        (0, True, (48, 64), [GREEN, RED, WHITE, BLUE]),
        (90, True, (64, 48), [WHITE, GREEN, BLUE, RED]),
    ],
)
def test_rotation_is_applied(
    tmp_path: Path,
    rotation: int,
    mirrored: bool,
    size: tuple[int, int],
    expected: list[tuple[int, int, int]],
) -> None:
    path = make_video(tmp_path / "a.mp4", [flag()] * 3, rotation=rotation, mirrored=mirrored)

    reader = VideoReader(path)

    assert reader.size == size
    frames = list(reader)
    assert [frame.shape for frame in frames] == [(*size, 3)] * 3
    assert corners(frames[0]) == expected


@pytest.mark.parametrize("b_frames", ["0", "3"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_frames_hidden_by_a_lossless_trim_are_not_read(
    tmp_path: Path, suffix: str, b_frames: str
) -> None:
    options = {"g": "20", "bf": b_frames}
    whole = make_video(tmp_path / f"whole{suffix}", steps(24), options=options)
    path = trim(tmp_path / f"a{suffix}", whole, 0.4)

    reader = VideoReader(path)

    assert reader.fps == 25 and reader.expected == 14
    assert grey_levels(list(reader)) == list(range(11, 25))


@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_edit_list_hides_both_ends(tmp_path: Path, b_frames: str) -> None:
    path = make_video(tmp_path / "a.mp4", steps(24), options={"g": "10", "bf": b_frames})
    show_only(path, 400, 320)

    reader = VideoReader(path)

    assert reader.fps == 25 and reader.expected == 8
    assert grey_levels(list(reader)) == list(range(11, 19))


def test_variable_rate_becomes_constant(tmp_path: Path) -> None:
    # 40 ms apart, then one frame of 200 ms, then 40 ms again.
    times_ms = [0, 40, 80, 120, 320, 360, 400]
    path = make_video(tmp_path / "a.mp4", steps(7), times_ms=times_ms)

    reader = VideoReader(path)

    assert reader.fps == 25
    assert grey_levels(list(reader)) == [1, 2, 3, 4, 4, 4, 4, 4, 5, 6, 7]
    assert reader.info.duration_s == pytest.approx(0.44)


def test_clock_jitter_repeats_and_drops_no_frame(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    times_ms = [round(i * 1000 / 30 + random.uniform(-6, 6)) + 10 for i in range(25)]
    path = make_video(tmp_path / "a.mkv", steps(25), times_ms=times_ms, fps=Fraction(30))

    reader = VideoReader(path)

    assert float(reader.fps) == pytest.approx(30, rel=0.02)
    assert grey_levels(list(reader)) == list(range(1, 26))


def test_requested_rate_is_used(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(12), fps=Fraction(24))

    halved = list(read_video(path, fps=Fraction(12)))
    doubled = list(read_video(path, fps=Fraction(48)))

    assert grey_levels(halved) == [2, 4, 6, 8, 10, 12] or grey_levels(halved) == [1, 3, 5, 7, 9, 11]
    assert grey_levels(doubled) == [i for i in range(1, 13) for _ in range(2)]
    with pytest.raises(ParameterError, match="fps is 0"):
        VideoReader(path, fps=Fraction(0))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.webm", "libvpx", "yuva420p"),
    ],
)
def test_transparent_pixels_become_white(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, :32] = (255, 0, 0, 255)
    # libvpx encodes alpha only without alternate reference frames.
    options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
    frames = [picture] * 3
    path = make_video(tmp_path / name, frames, codec=codec, pix_fmt=pix_fmt, options=options)

    assert corners(next(read_video(path))) == [RED, WHITE, RED, WHITE]


def test_pixel_aspect_is_applied(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [flag(48, 48)] * 2, pixel_aspect=Fraction(4, 3))

    reader = VideoReader(path)

    assert reader.size == (48, 64)
    assert corners(next(iter(reader))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.mp4"])
def test_still_image_with_any_name_is_one_frame(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(flag()).save(path, format="PNG" if name == "a.mp4" else None)

    info = VideoReader(path).info
    frames = list(read_video(path))

    assert (info.height, info.width, info.num_frames_estimate) == (48, 64, 1)
    assert info.fps == 25
    assert [corners(frame) for frame in frames] == [[RED, GREEN, BLUE, WHITE]]


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{w}.h264", [flag(w // 2, w)] * 3) for w in (64, 128)]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    frames = list(read_video(path))

    assert [frame.shape for frame in frames] == [(32, 64, 3)] * 6
    assert corners(frames[5]) == [RED, GREEN, BLUE, WHITE]


def test_animated_image_is_a_video(tmp_path: Path) -> None:
    pages = [Image.fromarray(frame) for frame in steps(5)]
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:], duration=100)

    reader = VideoReader(tmp_path / "a.png")

    assert reader.fps == 10
    assert grey_levels(list(reader)) == [1, 2, 3, 4, 5]


def test_probe_returns_the_properties_of_the_reader(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(24), fps=Fraction(12), rotation=90, audio="aac")

    info = VideoReader(path).info

    assert (info.width, info.height, info.num_frames_estimate) == (48, 64, 24)
    assert info.fps == 12
    assert info.duration_s == 2.0
    assert info.has_audio


def test_colour_space_of_the_file_is_applied(tmp_path: Path) -> None:
    picture = np.full((48, 64, 3), (200, 60, 20), np.uint8)
    path = make_video(tmp_path / "a.mkv", [picture], codec="ffv1", pix_fmt="yuv444p")

    assert np.abs(next(read_video(path))[24, 32].astype(int) - (200, 60, 20)).max() <= 2


def test_frames_are_read_lazily(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(20))

    frames = read_video(path, limits=MediaLimits(max_frames=20))

    first = next(frames)
    assert grey_levels([first, next(frames)]) == [1, 2]
