"""The gateway inspects files and rejects unusable ones with the error codes of the API."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from media.image_file import IMAGE_SUFFIXES
from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.inspection.decoder import Decoder
from service.inspection.inspector import InputInfo, are_quick, inspect_inputs, inspect_poses
from tests import samples
from tests.media.make_media import make_song_with_cover

LIMITS = InputLimits()
TEXT = b"This is a text file that somebody renamed.\n" * 50


def written(folder: Path, content: bytes) -> Path:
    """Write a file without a suffix, like an upload of the gateway."""
    file = folder / "upload"
    file.write_bytes(content)
    return file


def test_valid_inputs_are_recognized(decoder: Decoder, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(samples.png())
    driving = written(tmp_path, samples.video(tmp_path))
    size = driving.stat().st_size
    infos = inspect_inputs({"image": image, "driving": driving}, LIMITS, decoder)
    assert infos["image"] == InputInfo(".png", size_bytes=image.stat().st_size)
    assert infos["driving"] == InputInfo(".mp4", DrivingKind.VIDEO, 5, 0.5, size)
    driving = written(tmp_path, b"\n " + samples.poses())
    size = driving.stat().st_size
    infos = inspect_inputs({"driving": driving}, LIMITS, decoder)
    assert infos == {"driving": InputInfo(".json", DrivingKind.POSES, 3, 3 / 25, size)}


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (
            samples.png(1, 1),
            ErrorCode.IMAGE_TOO_SMALL,
            "1x1 pixels; each side must have at least 16",
        ),
        (samples.png(200, 15), ErrorCode.IMAGE_TOO_SMALL, "200x15"),
        (
            samples.png_that_declares(30_000, 30_000),
            ErrorCode.IMAGE_TOO_LARGE,
            "900,000,000 pixels; at most 40,000,000",
        ),
        (samples.png_that_declares(10_000, 12_000), ErrorCode.IMAGE_TOO_LARGE, "120,000,000"),
        (samples.png_that_declares(7_000, 7_000), ErrorCode.IMAGE_TOO_LARGE, "7000x7000"),
        (samples.png(16, 4000), ErrorCode.IMAGE_TOO_NARROW, "16x4000 pixels; .* at most 4 times"),
        (samples.png(321, 80), ErrorCode.IMAGE_TOO_NARROW, "321x80"),
        (samples.png_that_declares(16, 65), ErrorCode.IMAGE_TOO_NARROW, "16x65"),
        (samples.png()[:3000], ErrorCode.INVALID_IMAGE, "damaged"),
        (samples.png_that_declares(64, 64), ErrorCode.INVALID_IMAGE, "damaged"),
        (TEXT, ErrorCode.INVALID_IMAGE, "not an image of a known kind \\(PNG, JPEG"),
        (b"", ErrorCode.INVALID_IMAGE, "the file is empty"),
    ],
)
def test_unusable_image_is_rejected(
    decoder: Decoder, tmp_path: Path, content: bytes, code: ErrorCode, message: str
) -> None:
    with pytest.raises(RejectedError, match=message) as refused:
        decoder.inspect({"image": written(tmp_path, content)}, LIMITS)
    assert refused.value.code is code


@pytest.mark.parametrize("content", [TEXT, b"", b"\x00" * 4096, samples.png()])
def test_file_that_is_not_a_video_is_rejected(
    decoder: Decoder, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(RejectedError) as refused:
        decoder.inspect({"driving": written(tmp_path, content)}, LIMITS)
    assert refused.value.code is ErrorCode.INVALID_VIDEO


def animated(kind: str, frames: int) -> bytes:
    """Return an image of 64x64 with this number of frames."""
    first, *others = [Image.new("RGB", (64, 64), (80 * index, 0, 0)) for index in range(frames)]
    stream = io.BytesIO()
    if others:
        first.save(stream, kind, save_all=True, append_images=others)
    else:
        first.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", IMAGE_SUFFIXES)
def test_still_image_cannot_drive(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    still = animated(kind, 1)
    for content in (still, written(tmp_path, still)):
        with pytest.raises(
            RejectedError, match="a still image cannot drive; send a video"
        ) as refused:
            decoder.inspect({"driving": content}, LIMITS)
        assert refused.value.code is ErrorCode.INVALID_VIDEO


def test_animated_images_can_drive(decoder: Decoder) -> None:
    for kind in ("GIF", "PNG", "AVIF", "WEBP"):
        assert decoder.inspect({"driving": animated(kind, 3)}, LIMITS)["driving"].frames == 3


def test_file_without_pictures_or_truncated_is_rejected(decoder: Decoder, tmp_path: Path) -> None:
    whole = samples.video(tmp_path, frames=30)
    cover = make_song_with_cover(tmp_path / "song.mp4").read_bytes()
    for content in (samples.sound(tmp_path), cover, whole[: len(whole) // 2]):
        with pytest.raises(RejectedError) as refused:
            decoder.inspect({"driving": written(tmp_path, content)}, LIMITS)
        assert refused.value.code is ErrorCode.INVALID_VIDEO


def test_playlist_that_names_another_file_is_rejected(decoder: Decoder, tmp_path: Path) -> None:
    target = samples.write_video(tmp_path / "secret.mp4")
    for text in (f"ffconcat version 1.0\nfile {target}\n", f"#EXTM3U\n#EXTINF:1,\n{target}\n"):
        with pytest.raises(RejectedError):
            decoder.inspect({"driving": written(tmp_path, text.encode())}, LIMITS)


@pytest.mark.parametrize(
    ("limits", "code", "message"),
    [
        ({"max_frames": 4}, ErrorCode.VIDEO_TOO_LONG, "5 frames; at most 4"),
        ({"max_duration_s": 0.4}, ErrorCode.VIDEO_TOO_LONG, "0.5 s; at most 0.4 s"),
        ({"max_frame_pixels": 1000}, ErrorCode.VIDEO_TOO_LARGE, "64x64 = 4,096 pixels"),
        ({"min_side": 65}, ErrorCode.VIDEO_TOO_SMALL, "each side must have at least 65"),
    ],
)
def test_video_over_a_limit_is_rejected(
    decoder: Decoder, tmp_path: Path, limits: dict[str, float], code: ErrorCode, message: str
) -> None:
    file = written(tmp_path, samples.video(tmp_path))
    with pytest.raises(RejectedError, match=message) as refused:
        decoder.inspect({"driving": file}, InputLimits.model_validate(limits))
    assert refused.value.code is code


@pytest.mark.parametrize("joints", [18, 25])
def test_openpose_and_body25_files_are_accepted(joints: int) -> None:
    assert inspect_poses(samples.poses(joints=joints), LIMITS).frames == 3
    document = {"fps": 30, "frames": samples.pose_frames(joints=joints)}
    assert inspect_poses(json.dumps(document).encode(), LIMITS).frames == 3


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            samples.poses(joints=17),
            ErrorCode.INVALID_POSE_FILE,
            "frame 0, person 0: pose_keypoints_2d has 51 numbers .17 joints",
        ),
        (
            samples.poses(joints=5),
            ErrorCode.INVALID_POSE_FILE,
            "has 15 numbers .5 joints.",
        ),
        (samples.poses(people=0), ErrorCode.NO_PERSON, "no person in any of the 3 frames"),
        (b"[]", ErrorCode.INVALID_POSE_FILE, "has 0 frames; 1 to 3,600"),
        (b"[" * 100_000, ErrorCode.INVALID_POSE_FILE, "not a pose file"),
        (b'{"frames": 3}', ErrorCode.INVALID_POSE_FILE, "not a pose file"),
        (b"[1, 2]", ErrorCode.INVALID_POSE_FILE, "frame 0"),
        (b'[{"people": [}]', ErrorCode.INVALID_POSE_FILE, "driving: not JSON .line 1, column 14"),
        (
            samples.poses().replace(b"32.0", b"NaN"),
            ErrorCode.INVALID_POSE_FILE,
            "no joint that can be read; joints left out because x or y is no number",
        ),
        (samples.poses(frames=3601), ErrorCode.VIDEO_TOO_LONG, "3,601 frames"),
        (
            samples.poses().replace(b'_width": 64', b'_width": 1e9'),
            ErrorCode.INVALID_POSE_FILE,
            "canvas",
        ),
    ],
)
def test_unusable_pose_file_is_rejected(text: bytes, code: ErrorCode, message: str) -> None:
    with pytest.raises(RejectedError, match=message) as refused:
        inspect_poses(text, LIMITS)
    assert refused.value.code is code


def test_only_small_pose_files_are_checked_without_a_thread() -> None:
    poses = samples.poses(16)
    assert are_quick({"driving": poses})
    assert not are_quick({"image": samples.png(), "driving": poses})
    assert not are_quick({"driving": samples.poses(200)})
    assert not are_quick({"driving": b"RIFF"})


def test_bytes_and_paths_give_the_same_result(decoder: Decoder, tmp_path: Path) -> None:
    video, picture = samples.video(tmp_path), samples.png()
    files = {"image": written(tmp_path, picture), "driving": tmp_path / "sample.mp4"}
    infos = inspect_inputs({"image": picture, "driving": video}, LIMITS, decoder)
    assert infos == inspect_inputs(files, LIMITS, decoder)
    with pytest.raises(RejectedError):
        inspect_inputs({"driving": b""}, LIMITS, decoder)
