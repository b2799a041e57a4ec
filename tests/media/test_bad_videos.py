"""A file that cannot be used as a video raises one clear MediaError."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from media.limits import MediaLimits
from media.video_reader import VideoReader
from tcan_core.errors import MediaError, ParameterError
from tests.media.make_media import (
    make_audio,
    make_empty_track,
    make_png_header,
    make_song_with_cover,
    make_video,
    show_only,
    steps,
)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^a\.mp4: there is no such file$"):
        VideoReader(tmp_path / "a.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MediaError, match=r"^folder: a folder, not a file$"):
        VideoReader(tmp_path / "folder")


def test_empty_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MediaError, match=r"^a\.mp4: the file is empty \(0 bytes\)$"):
        VideoReader(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.ans"])
def test_text_file_named_like_a_video_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not a video\n" * 200)
    with pytest.raises(MediaError, match="not a video"):
        VideoReader(tmp_path / name)


def test_file_with_audio_only_is_rejected(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"^a\.mp4: the file has audio but no video$"):
        VideoReader(path)


def test_video_track_without_frames_is_rejected(tmp_path: Path) -> None:
    path = make_empty_track(tmp_path / "a.mkv")
    with pytest.raises(MediaError, match=r"^a\.mkv: the video has no frames$"):
        VideoReader(path)


def test_file_truncated_before_its_index_is_rejected(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(20))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MediaError, match=r"^a\.mp4: .*(damaged|no video)"):
        VideoReader(path)


def test_file_truncated_in_the_middle_is_rejected(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(20), options={"g": "1"})
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(MediaError, match=r"^a\.mp4: the file ends early; it has \d+ of 20 "):
        VideoReader(path)


@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_truncated_file_with_edit_list_is_rejected(tmp_path: Path, b_frames: str) -> None:
    path = make_video(tmp_path / "a.mp4", steps(24), options={"g": "24", "bf": b_frames})
    show_only(path, 400, 560)
    assert VideoReader(path).expected == 14
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MediaError, match=r"^a\.mp4: the file ends early; it has \d+ of 24 "):
        VideoReader(path)


def test_edit_list_that_hides_all_frames_is_rejected(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", steps(24), options={"g": "24"})
    show_only(path, 960, 40)
    with pytest.raises(MediaError, match=r"^a\.mp4: the video shows no frames; .* hides all 24$"):
        VideoReader(path)


def test_damaged_frames_are_rejected(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", steps(4), codec="ffv1", pix_fmt="yuv444p")
    data = bytearray(path.read_bytes())
    data[600:] = bytes(len(data) - 600)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"^a\.mkv: "):
        list(VideoReader(path))


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile other.mp4\n", "#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n"],
)
def test_playlist_does_not_open_other_files(tmp_path: Path, text: str) -> None:
    make_video(tmp_path / "other.mp4", steps(3))
    (tmp_path / "a.mp4").write_text(text)
    with pytest.raises(MediaError, match="not a video"):
        VideoReader(tmp_path / "a.mp4")


def test_cover_art_is_not_a_video(tmp_path: Path) -> None:
    path = make_song_with_cover(tmp_path / "a.m4a")
    with pytest.raises(MediaError, match=r"^a\.m4a: the file has audio but no video$"):
        VideoReader(path)


def test_huge_image_is_rejected_by_its_header(tmp_path: Path) -> None:
    path = make_png_header(tmp_path / "a.mp4", 30_000, 30_000)
    with pytest.raises(MediaError, match=r"declares 900,000,000 pixels; at most 50,000,000"):
        VideoReader(path)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (MediaLimits(max_bytes=1000), r"the file has [\d,]+ bytes; at most 1,000 are allowed"),
        (MediaLimits(max_pixels=3000), r"64x48 = 3,072 pixels; at most 3,000 are allowed"),
        (MediaLimits(max_frames=11), "has 12 frames; at most 11 are allowed"),
        (MediaLimits(max_frames=2), "more than 8 frames; at most 2 are allowed"),
        (MediaLimits(max_duration_s=0.4), r"lasts 0\.5 s; at most 0\.4 s are allowed"),
        (MediaLimits(min_side=50), r"64x48 pixels; each side must have at least 50"),
    ],
)
def test_limits_are_checked_before_decoding(
    tmp_path: Path, limits: MediaLimits, message: str
) -> None:
    path = make_video(tmp_path / "a.mp4", steps(12), fps=Fraction(24))
    with pytest.raises(MediaError, match=message):
        VideoReader(path, limits)


def test_limit_must_be_positive() -> None:
    with pytest.raises(ParameterError, match="max_frames is 0"):
        MediaLimits(max_frames=0)
