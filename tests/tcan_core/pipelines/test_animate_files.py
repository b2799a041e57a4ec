"""An animation job on files: prepare and render."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media.image import read_image, write_png
from media.poses.keypoints import no_pose
from media.poses.pose_file import read_pose_file, write_pose_file
from media.trim import Trim
from media.video_reader import VideoReader
from media.video_writer import VideoWriter
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.pose_maps import DrawnPoseMaps, StoredPoseMaps
from tcan_core.errors import (
    CanceledError,
    MediaError,
    NoPersonError,
    ParameterError,
    PoseFileError,
)
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import (
    PreparedInput,
    find_poses,
    prepare,
    random_seed,
    render,
)
from tcan_core.pipelines.detect_people import detect_people
from tcan_core.pipelines.device_memory import peak_memory_bytes
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.motion import FPS
from tcan_core.puppets.world import Scene
from tests.media.make_media import make_video
from tests.tcan_core.pipelines.conftest import DETECTOR, FRAMES, SIZE

FAST = AnimateSettings(seed=3, context_size=4, context_overlap=2)


@pytest.fixture(scope="module")
def prepared(pair: Path) -> PreparedInput:
    return prepare(pair / "source.png", pair / "driving_pose.json", detector=DETECTOR)


def test_pose_file_is_read_with_its_frame_rate(prepared: PreparedInput, scene: Scene) -> None:
    assert prepared.fps == FPS and len(prepared.poses) == FRAMES
    truth = scene.driving.poses(scene.motion)
    for pose, true in zip(prepared.poses, truth, strict=True):
        assert np.abs(pose.keypoints - true.keypoints).max() < 2  # smoothed
    assert prepared.source_pose is not None
    assert np.array_equal(prepared.source_pose.keypoints, scene.source_pose.keypoints)
    assert prepared.seconds["prepare"] > 0


def test_narrow_image_is_rejected_before_detection(pair: Path, tmp_path: Path) -> None:
    for size in ((4000, 16), (64, 257)):
        write_png(tmp_path / "narrow.png", np.zeros((*size, 3), np.uint8))
        with pytest.raises(MediaError, match=r"narrow\.png: .* at most 4 times as many as the sh"):
            prepare(tmp_path / "narrow.png", tmp_path / "none.mp4", detector=DETECTOR)

    write_png(tmp_path / "narrow.png", np.zeros((64, 256, 3), np.uint8))
    poses = pair / "driving_pose.json"
    wide = prepare(tmp_path / "narrow.png", poses, retarget=False)
    assert wide.image.shape == (64, 256, 3)


def test_cleaning_can_be_disabled(pair: Path, scene: Scene) -> None:
    settings = CleaningSettings(
        choose_person=False, reject_jumps=False, fill_gaps=False, smooth=False
    )
    raw = prepare(
        pair / "source.png", pair / "driving_pose.json", detector=DETECTOR, cleaning=settings
    )

    for pose, true in zip(raw.poses, scene.driving.poses(scene.motion), strict=True):
        np.testing.assert_allclose(pose.keypoints, true.keypoints)


def test_pose_file_without_a_frame_rate_gets_25(pair: Path, tmp_path: Path, scene: Scene) -> None:
    write_pose_file(tmp_path / "p.json", [[pose] for pose in scene.driving.poses(scene.motion)])

    assert prepare(pair / "source.png", tmp_path / "p.json", detector=DETECTOR).fps == 25


@pytest.mark.parametrize("name", ["driving.mp4", "driving_pose.json"])
def test_part_of_the_driving_file_is_used(pair: Path, name: str) -> None:
    part, settings = Trim(1 / float(FPS), 3 / float(FPS)), CleaningSettings(smooth=False)
    whole = find_poses(pair / name, None, DETECTOR, settings)
    found = find_poses(pair / name, None, DETECTOR, settings, trim=part)
    assert len(found.poses) == 2
    for pose, same in zip(found.poses, whole.poses[1:3], strict=True):
        np.testing.assert_allclose(pose.keypoints, same.keypoints)
    with pytest.raises(ParameterError, match=f"trim starts at 100 s, but {name} ends at"):
        find_poses(pair / name, None, DETECTOR, settings, trim=Trim(100))


def test_people_are_detected_in_every_frame_of_a_video(pair: Path, scene: Scene) -> None:
    calls: list[tuple[int, int]] = []

    people, fps, _ = detect_people(
        pair / "driving.mp4", detector=DETECTOR, progress=lambda *now: calls.append(now)
    )

    assert fps == FPS and [len(frame) for frame in people] == FRAMES * [1]
    assert np.array_equal(people[0][0].keypoints, scene.source_pose.keypoints)


def test_long_videos_are_detected_in_batches(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "long.mp4", Fraction(25), (32, 32)) as writer:
        for index in range(70):
            writer.write(np.full((32, 32, 3), 200 if index % 2 else 0, np.uint8))
    calls: list[tuple[int, int]] = []

    people, *_ = detect_people(
        tmp_path / "long.mp4", detector=DETECTOR, progress=lambda *now: calls.append(now)
    )

    assert [len(frame) for frame in people] == 35 * [0, 1]
    assert [done for done, _ in calls][:2] == [32, 64]
    assert all(done <= expected for done, expected in calls)


def test_prepared_input_is_saved_and_loaded(
    prepared: PreparedInput, pair: Path, tmp_path: Path
) -> None:
    prepared.save(tmp_path / "prepared.zip")

    loaded = PreparedInput.load(tmp_path / "prepared.zip", pair / "source.png")

    assert np.array_equal(loaded.image, prepared.image)
    assert (loaded.fps, loaded.warnings, loaded.seconds) == (
        prepared.fps,
        prepared.warnings,
        prepared.seconds,
    )
    assert loaded.source_pose is not None and prepared.source_pose is not None
    for actual, expected in zip(
        [loaded.source_pose, *loaded.poses], [prepared.source_pose, *prepared.poses], strict=True
    ):
        np.testing.assert_array_equal(actual.keypoints, expected.keypoints)
        np.testing.assert_array_equal(actual.confidence, expected.confidence)
        assert actual.canvas == expected.canvas


def test_stored_and_redrawn_poses_render_the_same_file(
    pipeline: AnimatePipeline, prepared: PreparedInput, pair: Path, tmp_path: Path
) -> None:
    image, poses, source_pose = prepared.image, prepared.poses, prepared.source_pose
    drawn = pipeline.drawer.pose_maps(image, poses, source_pose, retarget=True)
    replace(prepared, pose_maps=drawn).save(tmp_path / "prepared.zip")
    stored = PreparedInput.load(tmp_path / "prepared.zip", pair / "source.png")
    assert isinstance(stored.pose_maps, StoredPoseMaps) and len(stored.pose_maps) == FRAMES

    render(pipeline, prepared, tmp_path / "redrawn.mp4", FAST)
    render(pipeline, stored, tmp_path / "stored.mp4", FAST)

    assert (tmp_path / "stored.mp4").read_bytes() == (tmp_path / "redrawn.mp4").read_bytes()


def test_stored_poses_are_used_unless_they_have_another_size(
    pipeline: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    image, poses, source_pose = prepared.image, prepared.poses, prepared.source_pose
    backwards = pipeline.drawer.pose_maps(image, poses[::-1], source_pose, retarget=True)
    small = DrawnPoseMaps([replace(pose, canvas=(8, 8)) for pose in poses])
    for name, maps in (("redrawn", None), ("backwards", backwards), ("small", small)):
        render(pipeline, replace(prepared, pose_maps=maps), tmp_path / f"{name}.mp4", FAST)
    redrawn, other, ignored = (
        (tmp_path / f"{name}.mp4").read_bytes() for name in ("redrawn", "backwards", "small")
    )
    assert other != redrawn and ignored == redrawn


def test_inputs_without_a_person_are_rejected(pair: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "black.png", np.zeros((SIZE, SIZE, 3), np.uint8))
    with VideoWriter(tmp_path / "black.mp4", Fraction(12), (SIZE, SIZE)) as writer:
        for _ in range(3):
            writer.write(np.zeros((SIZE, SIZE, 3), np.uint8))
    write_pose_file(tmp_path / "empty.json", [[], [no_pose((SIZE, SIZE))]])

    with pytest.raises(NoPersonError, match="no person was found in the image"):
        prepare(tmp_path / "black.png", pair / "driving.mp4", detector=DETECTOR)
    with pytest.raises(NoPersonError, match="in any of the 3 driving frames"):
        prepare(pair / "source.png", tmp_path / "black.mp4", detector=DETECTOR)
    with pytest.raises(NoPersonError, match="in any of the 2 frames of poses"):
        prepare(pair / "source.png", tmp_path / "empty.json", detector=DETECTOR)


def test_image_without_a_person_is_accepted_without_retargeting_or_with_a_pose(
    pair: Path, tmp_path: Path, scene: Scene
) -> None:
    image, driving = tmp_path / "black.png", pair / "driving_pose.json"
    write_png(image, np.zeros((SIZE, SIZE, 3), np.uint8))

    unretargeted = prepare(image, driving, detector=DETECTOR, retarget=False)
    prepared = prepare(
        image, driving, detector=DETECTOR, source_pose_path=pair / "source_pose.json"
    )

    assert unretargeted.source_pose is None and prepared.source_pose is not None
    assert np.array_equal(prepared.source_pose.keypoints, scene.source_pose.keypoints)
    unretargeted.save(tmp_path / "prepared.zip")
    assert PreparedInput.load(tmp_path / "prepared.zip", image).source_pose is None


def test_source_pose_file_of_another_image_is_rejected(pair: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "wide.png", np.zeros((SIZE, 2 * SIZE, 3), np.uint8))
    write_pose_file(tmp_path / "empty.json", [[]], canvas=(SIZE, SIZE))
    wide, driving = tmp_path / "wide.png", pair / "driving_pose.json"

    with pytest.raises(PoseFileError, match=f"is {SIZE}x{SIZE}; the image is {2 * SIZE}x{SIZE}"):
        prepare(wide, driving, detector=DETECTOR, source_pose_path=pair / "source_pose.json")
    with pytest.raises(PoseFileError, match="0 people; the image's pose needs one"):
        prepare(wide, driving, detector=DETECTOR, source_pose_path=tmp_path / "empty.json")


def test_bad_source_pose_file_is_a_warning_without_retargeting(pair: Path, tmp_path: Path) -> None:
    people = read_pose_file(pair / "source_pose.json").frames[0]
    write_pose_file(tmp_path / "two.json", [people * 2], canvas=(SIZE, SIZE))
    (tmp_path / "broken.json").write_text("{")
    image, driving = pair / "source.png", pair / "driving_pose.json"

    for name, message in (("two.json", "2 people"), ("broken.json", "broken.json")):
        prepared = prepare(image, driving, source_pose_path=tmp_path / name, retarget=False)
        assert prepared.source_pose is None
        [warning] = [line for line in prepared.warnings if "could not check" in line]
        assert message in warning


def test_unusable_files_are_rejected(pair: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "broken.json").write_text("{")

    with pytest.raises(MediaError, match=r"text.mp4"):
        prepare(pair / "source.png", tmp_path / "text.mp4", detector=DETECTOR)
    with pytest.raises(PoseFileError, match=r"broken.json"):
        prepare(pair / "source.png", tmp_path / "broken.json", detector=DETECTOR)
    with pytest.raises(MediaError, match=r"nothing.png"):
        prepare(pair / "nothing.png", pair / "driving.mp4", detector=DETECTOR)


def test_render_writes_video_poster_and_drawn_poses(
    pipeline: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    reports: list[AnimateProgress] = []
    out, poster, skeletons = (tmp_path / name for name in ("out.mp4", "poster.png", "pose.mp4"))

    report = render(
        pipeline,
        prepared,
        out,
        FAST,
        progress=reports.append,
        poster_path=poster,
        pose_path=skeletons,
    )

    for path in (out, skeletons):
        reader = VideoReader(path)
        frames = list(reader)
        assert len(frames) == FRAMES and reader.info.fps == FPS
        assert frames[0].shape == (SIZE, SIZE, 3)
    expected = pipeline(
        prepared.image, prepared.poses, source_pose=prepared.source_pose, seed=3,
        context_size=4, context_overlap=2,
    )  # fmt: skip
    assert np.array_equal(read_image(poster), expected[0])
    assert (report.frames, report.fps, report.size, report.seed) == (FRAMES, 12.0, (SIZE, SIZE), 3)
    assert set(report.seconds) == {"prepare", "encode", "denoise", "decode"}
    assert all(seconds >= 0 for seconds in report.seconds.values())
    assert report.peak_memory_bytes > 50e6
    assert [reports[0].stage, reports[-1].stage] == ["encode", "decode"]
    assert reports[-1].fraction == 1


def test_poses_of_a_render_give_the_same_skeletons_without_retargeting(
    pipeline: AnimatePipeline, prepared: PreparedInput, pair: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "keypoints.json"
    render(pipeline, prepared, tmp_path / "out.mp4", FAST, keypoints_path=kept)
    document = read_pose_file(kept)
    assert (document.is_cleaned, document.fps, document.canvas) == (True, 12.0, (SIZE, SIZE))
    again = prepare(pair / "source.png", kept, detector=DETECTOR, retarget=False)
    plain = {"retarget": False, "root_motion": "bounded"}
    drawn, redrawn = (
        pipeline.drawer.pose_maps(one.image, one.poses, one.source_pose, **how)
        for one, how in ((prepared, FAST.placing), (again, plain))
    )
    assert len(redrawn) == FRAMES
    for index in range(FRAMES):
        assert np.array_equal(drawn.frame(index), redrawn.frame(index))


def test_canceled_render_leaves_no_files(
    pipeline: AnimatePipeline, prepared: PreparedInput, tmp_path: Path
) -> None:
    with pytest.raises(CanceledError):
        render(pipeline, prepared, tmp_path / "out.mp4", FAST, is_canceled=lambda: True)

    assert list(tmp_path.iterdir()) == []


def test_result_has_the_sound_of_the_part(
    pipeline: AnimatePipeline, pair: Path, tmp_path: Path
) -> None:
    poses = pair / "driving_pose.json"
    driving = make_video(
        tmp_path / "a.mp4", FRAMES * [read_image(pair / "source.png")], audio="aac"
    )
    found = prepare(
        pair / "source.png", driving, detector=DETECTOR, audio=True, trim=Trim(start_s=0.04)
    )
    assert [text for text in found.warnings if "sound" in text] == []
    found.save(tmp_path / "prepared.zip")
    loaded = PreparedInput.load(tmp_path / "prepared.zip", pair / "source.png")

    render(pipeline, loaded, tmp_path / "o.mp4", FAST)

    info = VideoReader(tmp_path / "o.mp4").info
    assert (info.num_frames_estimate, info.has_audio) == (FRAMES - 1, True)

    silent = prepare(pair / "source.png", poses, detector=DETECTOR, audio=True)
    assert silent.sound is None
    assert "driving_pose.json: a pose file has no sound, so the result has none" in silent.warnings


def test_random_seeds_differ() -> None:
    drawn = {random_seed() for _ in range(4)}
    assert len(drawn) == 4 and all(0 <= seed < 2**31 for seed in drawn)
    assert peak_memory_bytes() > 50e6
