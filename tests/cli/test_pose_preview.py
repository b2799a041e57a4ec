"""`tcan poses preview` lets a running service detect poses, and downloads them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cli.arguments import driving_source
from media.limits import PoseFileLimits
from media.poses.archive import read_zip
from media.poses.pose_file import read_pose_file
from tests import samples
from tests.cli.conftest import Tcan, Up
from tests.media.poses.cases import FOLDER, openpose_names
from tests.worker.paint import count_frames


@pytest.mark.e2e
def test_preview_downloads_skeletons_and_keypoints(tcan: Tcan, up: Up, tmp_path: Path) -> None:
    driving = samples.write_video(tmp_path / "dance.mp4", frames=6)
    out, keypoints = tmp_path / "skeletons.mp4", tmp_path / "dance.json"
    words = ["poses", "preview", str(driving), "--url", up.url]
    done = tcan(*words, "--out", str(out), "--keypoints", str(keypoints))
    assert done.code == 0, done.err
    job_id, summary = done.out.split("\n")[:2]
    assert summary == f"{job_id}  succeeded, written to {out} and {keypoints}"
    assert count_frames(out) == 6
    assert len(read_pose_file(keypoints).frames) == 6

    again = tmp_path / "again.mp4"
    assert tcan("wait", job_id, "--out", str(again), "--url", up.url).code == 0
    assert again.read_bytes() == out.read_bytes()
    refused = tcan("wait", job_id, "--out", str(tmp_path / "s.gif"), "--url", up.url)
    assert refused.code == 2 and "the result is mp4; name it s.mp4" in refused.err


def test_outputs_are_checked_before_anything_is_sent(tcan: Tcan, tmp_path: Path) -> None:
    driving = samples.write_video(tmp_path / "dance.mp4", frames=2)
    words = ["poses", "preview", str(driving), "--url", "http://127.0.0.1:1"]
    refused = tcan(*words, "--keypoints", str(tmp_path / "no" / "dance.json"))
    assert refused.code == 2 and "there is no folder" in refused.err
    refused = tcan(*words, "--out", str(tmp_path / "s.gif"))
    assert refused.code == 2 and "the result is mp4; name it s.mp4" in refused.err
    refused = tcan(*words, "--keypoints", str(tmp_path / "dance.mp4"))
    assert refused.code == 2 and "the result is json; name it dance.json" in refused.err
    refused = tcan(*words, "--canvas", "512")
    assert refused.code == 2
    assert "canvas: must be width and height in pixels, such as 1280x720, got '512'" in refused.err


def test_folder_of_pose_files_is_sent_as_a_zip() -> None:
    content = driving_source("--driving", str(FOLDER / "openpose"))
    assert isinstance(content, bytes)
    files = read_zip("a", io.BytesIO(content), PoseFileLimits())
    assert [name for name, _ in files] == [f"a: {name!r}" for name in openpose_names()]
    assert files[7][1] == (FOLDER / "openpose" / openpose_names()[7]).read_bytes()
