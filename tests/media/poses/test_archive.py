"""Folders and zips of one pose file per frame are read in order, and hostile zips are refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from media.errors import PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.archive import read_zip
from media.poses.pose_file import read_pose_file
from tests.media.poses.programs import BODY, HEIGHT, TRUTH, WIDTH, document, without_canvas
from tests.media.poses.test_other_programs import expect_truth

SIZE = (HEIGHT, WIDTH)
LIMITS = PoseFileLimits(max_bytes=20_000, max_frames=12)


def openpose_files() -> dict[str, bytes]:
    """Return files as OpenPose writes them; their numbers have no leading zeros here."""
    frames = without_canvas(document())["frames"]
    return {
        f"dance_{number}_keypoints.json": json.dumps({"version": 1.3} | frame).encode()
        for number, frame in zip((8, 9, 10, 11), frames, strict=True)
    }


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for name, data in reversed(openpose_files().items()):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "dance_8_rendered.png").write_bytes(b"")
    (tmp_path / "._dance_8_keypoints.json").write_bytes(b"no pose")
    read = read_pose_file(tmp_path, image_size=SIZE)
    expect_truth(read, len(TRUTH))
    assert len(read.frames) == len(TRUTH) and read.canvas == SIZE and read.fps is None


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_is_read_like_a_folder(tmp_path: Path, method: int) -> None:
    files = {f"out/é/{name}": data for name, data in reversed(openpose_files().items())}
    others = {"out/readme.txt": b"x", "__MACOSX/out/._a.json": b"x", "../../b.PNG": b""}
    (tmp_path / "poses.zip").write_bytes(zipped(files | others, method))
    read = read_pose_file(tmp_path / "poses.zip", image_size=SIZE)
    expect_truth(read, len(TRUTH))
    assert len(read.frames) == len(TRUTH)
    assert [path.name for path in tmp_path.iterdir()] == ["poses.zip"]


def test_zip_of_one_whole_pose_file_is_read() -> None:
    data = zipped({"poses.json": json.dumps(document()).encode()})
    [(name, content)] = read_zip("a", io.BytesIO(data), LIMITS)
    read = read_pose_file(content)
    assert name == "a: 'poses.json'" and read.fps == 12
    expect_truth(read, len(TRUTH))


def marked_as_encrypted(data: bytes) -> bytes:
    content = bytearray(data)
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(magic) + offset] |= 1
    return bytes(content)


ONE = {"a.json": b"[]"}
BAD_ZIPS = {
    "empty": (zipped({}), "the zip is damaged|there are no .json files"),
    "no JSON": (zipped({"a.txt": b""}), "there are no .json files in it; put one per frame"),
    "cut off": (zipped(openpose_files())[:-30], "the zip is damaged; pack it again"),
    "no zip": (b"PK\x03\x04" + bytes(100), "the zip is damaged"),
    "damaged content": (
        zipped({"a.json": b"[" * 90}).replace(b"\x8b\x1e", b"\xff\xff", 1)[:40] + b"\0" * 90,
        "the zip is damaged",
    ),
    "encrypted": (marked_as_encrypted(zipped(ONE)), "'a.json' is encrypted or packed in a rare"),
    "LZMA": (
        zipped(ONE, zipfile.ZIP_LZMA),
        "'a.json' is encrypted or packed in a rare way; pack it as usual",
    ),
    "bomb": (zipped({"a.json": b" " * 10**7}), "its files have over 20,000 bytes, which is the"),
    "bomb of many": (
        zipped({f"{number}.json": b" " * 9_000 for number in range(3)}),
        "its files have over 20,000 bytes",
    ),
    "many files": (
        zipped({f"{number}.json": b"[]" for number in range(13)}),
        "the file has 13 frames; 1 to 12 are allowed",
    ),
}


@pytest.mark.parametrize(("data", "message"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_unusable_zip_is_rejected(data: bytes, message: str) -> None:
    with pytest.raises(PoseFileError, match=f"^driving: ({message})"):
        read_zip("driving", io.BytesIO(data), LIMITS)


def test_false_size_in_a_header_does_not_help() -> None:
    data = bytearray(zipped({"a.json": b" " * 10**6}))
    size = data.index(b"PK\x01\x02") + 24
    data[size : size + 4] = (100).to_bytes(4, "little")
    with pytest.raises(PoseFileError, match="^driving: "):
        read_zip("driving", io.BytesIO(bytes(data)), LIMITS)


def test_several_frames_in_one_of_many_files_are_refused(tmp_path: Path) -> None:
    for name in ("1.json", "2.json"):
        (tmp_path / name).write_text(json.dumps([{"people": []}] * 2))
    with pytest.raises(PoseFileError, match=r"^1\.json: the file has 2 frames; where there are"):
        read_pose_file(tmp_path)


def test_message_names_the_file_of_the_frame(tmp_path: Path) -> None:
    for name, joints in (("1.json", 18), ("2.json", 18)):
        person = {BODY: [1.0, 90.0, 1.0] * joints}
        (tmp_path / name).write_text(json.dumps({"people": [person]}))
    (tmp_path / "2.json").write_text("{")
    with pytest.raises(PoseFileError, match=r"^2\.json: not JSON \(line 1"):
        read_pose_file(tmp_path)
    with pytest.raises(PoseFileError, match="there are no .json files in it") as raised:
        (tmp_path / "empty").mkdir()
        read_pose_file(tmp_path / "empty")
    assert raised.value.problem is Problem.INVALID
