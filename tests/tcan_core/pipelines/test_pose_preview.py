"""Previews of poses: of a driving file, of an image, and of how they fit."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media.image import read_image, write_png
from media.poses.joints import Joint
from media.poses.pose_file import read_pose_file, write_pose_file
from media.trim import Trim
from media.video_reader import read_video
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.retarget import retarget as retarget_poses
from tcan_core.errors import NoPersonError
from tcan_core.pipelines.animate_files import prepare
from tcan_core.pipelines.fitting import on_canvas
from tcan_core.pipelines.pose_preview import PreviewSettings, preview_poses
from tcan_core.puppets.motion import FPS
from tests.media.make_media import make_video
from tests.tcan_core.pipelines.conftest import DETECTOR, FRAMES, SIZE
from tests.tcan_core.pipelines.test_review import numbered, numbers_in

PLAIN = PreviewSettings(DETECTOR)


def test_image_and_driver_are_shown_together(pair: Path, tmp_path: Path) -> None:
    frames = [numbered(index) for index in range(FRAMES)]
    driving = make_video(tmp_path / "d.mp4", frames, fps=Fraction(FPS))
    preview = preview_poses(tmp_path, driving, pair / "source.png", settings=PLAIN)
    assert set(preview.files) == {"pose", "keypoints", "image_keypoints", "fit", "review", "poster"}
    fit = list(read_video(preview.files["fit"]))
    assert len(fit) == FRAMES
    poster = read_image(preview.files["poster"])
    assert poster.shape == fit[0].shape
    assert np.mean(np.abs(poster.astype(float) - fit[0])) < 10
    assert preview.review is not None
    assert list(preview.review.cells) == ["driver", "driver_skeleton", "fit"]
    assert (preview.review.frames, preview.review.fps) == (FRAMES, f"{FPS}/1")
    driver = preview.review.cells["driver"]
    assert numbers_in(preview.files["review"], driver) == list(range(FRAMES))
    assert "alignment" in preview.quality


def test_image_alone_gives_its_pose_file(pair: Path, tmp_path: Path) -> None:
    preview = preview_poses(tmp_path, None, pair / "source.png", settings=PLAIN)
    assert set(preview.files) == {"image_keypoints", "poster"}
    assert read_image(preview.files["poster"]).shape == (SIZE, SIZE, 3)
    assert (preview.analysis, preview.review) == (None, None)
    [[pose]] = read_pose_file(preview.files["image_keypoints"]).frames
    assert pose.canvas == (SIZE, SIZE)
    file = preview.files["image_keypoints"]
    again = preview_poses(tmp_path, None, pair / "source.png", file, settings=PLAIN)
    [[same]] = read_pose_file(again.files["image_keypoints"]).frames
    assert np.array_equal(same.keypoints, pose.keypoints)


def test_image_without_a_person_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "black.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(NoPersonError, match="no person was found in the image"):
        preview_poses(tmp_path, None, tmp_path / "black.png", settings=PLAIN)


def test_pose_file_is_shown_on_black(pair: Path, tmp_path: Path) -> None:
    settings = PreviewSettings(DETECTOR, trim=Trim(0.0, 2.5 / FPS))
    preview = preview_poses(tmp_path, pair / "driving_pose.json", settings=settings)
    assert set(preview.files) == {"pose", "keypoints", "review", "poster"}
    assert preview.analysis is not None and preview.analysis["frames"] == 3
    assert preview.analysis["outside"] is None
    assert len(list(read_video(preview.files["review"]))) == 3


def test_analysis_names_repairs_and_people(pair: Path, tmp_path: Path) -> None:
    """In a file of two people, a wrist of the one on the right jumps once."""
    document = read_pose_file(pair / "driving_pose.json")
    half = np.full(2, 0.5)
    frames = []
    for index, [pose] in enumerate(document.frames * 3):
        left = on_canvas(pose, half, (SIZE, SIZE))
        right = on_canvas(pose, half, (SIZE, SIZE), np.array([SIZE / 2, 0.0]))
        if index == 12:
            right.keypoints[7] = [1.0, 1.0]
        frames.append([right, left] if index < 20 else [right])
    write_pose_file(tmp_path / "two.json", frames, document.fps)
    settings = PreviewSettings(DETECTOR, CleaningSettings(person=1))
    analysis = preview_poses(tmp_path, tmp_path / "two.json", settings=settings).analysis
    assert analysis is not None
    assert (analysis["width"], analysis["height"], analysis["fps"]) == (SIZE, SIZE, f"{FPS}/1")
    assert analysis["confidence"] == [1.0] * len(frames)
    [jump] = [repair for repair in analysis["repaired"] if repair["rejected"]]
    assert (jump["frame"], jump["rejected"], jump["filled"]) == (12, ["left_wrist"], ["left_wrist"])
    left, right = analysis["people"]
    assert [left["number"], right["number"]] == [0, 1]
    assert [left["is_followed"], right["is_followed"]] == [False, True]
    assert [left["share"], right["share"]] == pytest.approx([20 / len(frames), 1.0])
    assert left["box"][2] < right["box"][2] and right["color"] is None
    assert any("2 people" in warning for warning in analysis["warnings"])


def test_corrected_poses_are_used_as_they_are(pair: Path, tmp_path: Path) -> None:
    """A wrist is moved in one frame and removed in three, in the JSON of the preview."""
    preview = preview_poses(tmp_path, pair / "driving_pose.json", settings=PLAIN)
    document = json.loads(preview.files["keypoints"].read_text())
    bodies = [frame["people"][0]["pose_keypoints_2d"] for frame in document["frames"]]
    wrist = slice(3 * Joint.LEFT_WRIST, 3 * Joint.LEFT_WRIST + 3)
    bodies[1][wrist] = [1.0, 1.0, 0.05]
    for body in bodies[4:7]:
        body[wrist] = [0.0, 0.0, 0.0]
    corrected, unmarked = tmp_path / "corrected.json", tmp_path / "unmarked.json"
    corrected.write_text(json.dumps(document))
    unmarked.write_text(json.dumps(document | {"cleaned": False}))

    prepared = prepare(pair / "source.png", corrected, detector=DETECTOR)
    for pose, body in zip(prepared.poses, bodies, strict=True):
        own = np.column_stack([pose.keypoints, pose.confidence])
        np.testing.assert_array_equal(own, np.reshape(body, (-1, 3)))
    assert prepared.source_pose is not None
    placed = retarget_poses(prepared.source_pose, prepared.poses)
    seen = [bool(pose.detected[Joint.LEFT_WRIST]) for pose in placed]
    assert seen == [frame not in (4, 5, 6) for frame in range(FRAMES)]

    settings = PreviewSettings(DETECTOR)
    again = preview_poses(tmp_path, corrected, pair / "source.png", settings=settings)
    assert json.loads(again.files["keypoints"].read_text()) == document
    cleaned = prepare(pair / "source.png", unmarked, detector=DETECTOR).poses
    assert all(pose.detected[Joint.LEFT_WRIST] for pose in cleaned)
    assert cleaned[1].keypoints[Joint.LEFT_WRIST] == pytest.approx(
        np.array(bodies[0][wrist][:2]), abs=SIZE / 4
    )


def test_check_stops_a_preview(pair: Path, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preview_poses(tmp_path, pair / "driving.mp4", settings=PLAIN, check=stop)
    assert not (tmp_path / "review.mp4").exists()
