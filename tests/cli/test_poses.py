"""`tcan poses draw` draws pose files of other programs, and says what it changed in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.video_writer import VideoWriter
from tests import samples
from tests.cli.conftest import Tcan
from tests.media.poses.cases import CANVAS, CASES, FOLDER, PIXELS, Case, image


def draw(tcan: Tcan, poses: Path, out: Path, **options: object) -> str:
    """Draw the poses and return what is printed on standard error."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = tcan("poses", "draw", str(poses), "--out", str(out), *words)
    assert done.code == 0, done.err
    assert "24 frames at 12 fps" in done.out
    return done.err


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain") / "plain.mp4"


# The other cases are as quick to read, but not to draw; `make test-all` draws them.
QUICK = ("0..1", "zip of OpenPose", "COCO-17")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if name in QUICK else pytest.mark.long)
        for name, case in CASES.items()
    ],
)
def test_pose_files_of_other_programs_are_drawn(
    tcan: Tcan, tmp_path: Path, plain: Path, case: Case
) -> None:
    if not plain.exists():
        assert draw(tcan, PIXELS, plain) == ""
    printed = draw(tcan, case.write(tmp_path), tmp_path / "x.mp4", **case.params)
    if case.warning is None:
        assert printed == ""
    else:
        assert printed.startswith("warning: ") and case.warning in printed
    is_same = (tmp_path / "x.mp4").read_bytes() == plain.read_bytes()
    assert is_same == (case.error < 0.1)


def test_folder_of_openpose_is_drawn(tcan: Tcan, tmp_path: Path, plain: Path) -> None:
    folder, out = FOLDER / "openpose", tmp_path / "x.mp4"
    assert draw(tcan, folder, out, canvas=CANVAS, fps=12) == ""
    if not plain.exists():
        draw(tcan, PIXELS, plain)
    assert out.read_bytes() == plain.read_bytes()


def test_skeletons_have_the_format_of_the_suffix(tcan: Tcan, tmp_path: Path) -> None:
    (tmp_path / "poses.json").write_bytes(samples.poses(2))
    for suffix, magic in {"gif": b"GIF89a", "zip": b"PK"}.items():
        out = tmp_path / f"x.{suffix}"
        assert tcan("poses", "draw", str(tmp_path / "poses.json"), "--out", str(out)).code == 0
        assert out.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (b'{"people": []}', [], "poses.json: no person in the one frame of poses; at least one"),
        (b"[{\xe9}]", [], "not text in UTF-8 (byte 2); save the file as UTF-8"),
        (b"[]", ["--layout", "halpe"], "layout is 'halpe'; it must be one of auto, openpose18, bo"),
        (b"[]", ["--canvas", "512"], "canvas is '512'; it must be WIDTHxHEIGHT, such as 1280x720"),
        (b'{"people": [{"pose_keypoints_2d": [1, 2, 1, 4]}]}', [], "layouts are openpose18, body2"),
    ],
)
def test_refusals_say_what_is_allowed(
    tcan: Tcan, tmp_path: Path, content: bytes, words: list[str], message: str
) -> None:
    (tmp_path / "poses.json").write_bytes(content)
    out = tmp_path / "x.mp4"
    refused = tcan("poses", "draw", str(tmp_path / "poses.json"), "--out", str(out), *words)
    assert refused.code == 2 and message in refused.err
    assert not out.exists()


def test_video_without_a_person_gives_no_pose_file(tcan: Tcan, tmp_path: Path) -> None:
    video, out = tmp_path / "black.mp4", tmp_path / "poses.json"
    with VideoWriter(video, 8, (64, 64)) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    done = tcan("poses", "extract", str(video), "--out", str(out), "--detector", "puppet")
    assert done.code == 2
    assert "black.mp4: no person was found in any of the 1 frames (detector puppet)" in done.err
    assert not out.exists()


def test_animate_prints_warnings_about_pose_files(tcan: Tcan, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(image())
    words = [
        "--image",
        str(tmp_path / "image.png"),
        "--source-pose",
        str(FOLDER / "confidence_over_1.json"),
    ]
    words += ["--driving", str(FOLDER / "openpose"), "--out", str(tmp_path / "x.mp4")]
    failed = tcan("animate", *words, "--any-subject", "--memory-limit", "1")
    warnings = failed.err
    assert failed.code == 2
    assert "warning: the file has no canvas; 512x768 is assumed, the image's size" in warnings
    assert "warning: confidences above 1 (the largest is 6.3) clipped to 1: 432" in warnings
