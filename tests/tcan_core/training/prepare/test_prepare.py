"""Videos with cuts, empty stretches and damage become clips that both stages learn from."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from cli.main import main
from media.image import read_image
from media.poses.keypoints import Pose
from media.video_reader import VideoReader
from media.video_writer import VideoWriter
from tcan_core.conditioning.detectors import NamedDetector, build_detector
from tcan_core.errors import ConfigError, StorageError
from tcan_core.models.weights.loading import load_codec
from tcan_core.puppets.background import draw_background
from tcan_core.puppets.world import sample_scene
from tcan_core.training.config import ShardData
from tcan_core.training.prepare.candidates import find_candidates
from tcan_core.training.prepare.crops import Region, region_around
from tcan_core.training.prepare.pictures import ClipPicture, SheetRows
from tcan_core.training.prepare.prepare import (
    REPORT,
    PrepareReport,
    prepare_shards,
    random_crops,
    split_of,
)
from tcan_core.training.prepare.quality import QualitySettings
from tcan_core.training.prepare.settings import PrepareSettings
from tcan_core.training.prepare.shots import LONGEST, ShotCutter, thumbnail
from tcan_core.training.samples import draw_samples
from tcan_core.training.shard_data import ShardClips, fetch_shards, local_folder
from tcan_core.training.shards import read_index
from tcan_core.training.storage import FolderStorage
from tcan_core.training.validation import ValidationConfig
from tests.tcan_core.tiny_weights import TINY, tiny_preset
from tests.tcan_core.training.conftest import TinyRuns

SIDE = 64  # as the puppets' detector knows them

Frames = list[NDArray[np.uint8]]


def puppet(seed: int, frames: int) -> Frames:
    scene = sample_scene(seed, frames, SIDE)
    return [scene.source.draw(pose)[0] for pose in scene.source.poses(scene.motion)]


def empty_video(seed: int, frames: int) -> Frames:
    return [draw_background(np.random.default_rng(seed), SIDE)] * frames


def write(path: Path, frames: Frames, fps: Fraction = Fraction(12)) -> None:
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, fps, (SIDE, SIDE), crf=10) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    cuts = puppet(11, 20) + puppet(12, 18) + empty_video(3, 6) + puppet(13, 24)
    write(folder / "some" / "cuts.mp4", cuts)
    write(folder / "still.mp4", puppet(14, 1) * 20 + puppet(15, 8))
    write(folder / "empty.mp4", empty_video(5, 10))
    (folder / "broken.mp4").write_bytes(b"no video" * 200)
    return folder


@pytest.fixture(scope="module")
def prepared(
    videos: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, PrepareReport]:
    out = tmp_path_factory.mktemp("clips")
    settings = PrepareSettings(
        preset=str(TINY), weights=weights, sizes=((32, 32),), validation_share=0.0,
        quality=QualitySettings(min_frames=10),
    )  # fmt: skip
    return out, prepare_shards(videos, FolderStorage(out), settings, report_line)


def report_line(line: str) -> None:
    """Ignore the progress."""


def find_shots(thumbnails: list[NDArray[np.float32]], longest: int = LONGEST) -> list[range]:
    """Return the frames of each shot."""
    cutter = ShotCutter(longest)
    cuts = [cut for small in thumbnails for cut in cutter.add(small)] + cutter.end()
    edges = [0, *cuts, len(thumbnails)]
    return [range(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def test_cuts_are_found_and_fast_motion_is_not_a_cut() -> None:
    frames = puppet(1, 12) + puppet(2, 9) + puppet(3, 15)
    assert find_shots([thumbnail(one) for one in frames]) == [
        range(12), range(12, 21), range(21, 36),
    ]  # fmt: skip
    flicker = [np.full((SIDE, SIDE, 3), 90 + 60 * (index % 2), np.uint8) for index in range(12)]
    assert find_shots([thumbnail(one) for one in flicker]) == [range(12)]
    assert find_shots([]) == [] and find_shots([thumbnail(frames[0])]) == [range(1)]


def test_a_very_long_shot_is_cut_into_parts() -> None:
    small = [thumbnail(one) for one in puppet(1, 12) + puppet(2, 9)]
    assert find_shots(small, longest=5) == [
        range(5), range(5, 10), range(10, 12), range(12, 17), range(17, 21),
    ]  # fmt: skip


def test_a_video_is_streamed(videos: Path) -> None:
    read = 0

    class Counting(NamedDetector):
        def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
            nonlocal read
            read += len(frames)
            return build_detector("puppet").detect(frames)

    reader = VideoReader(videos / "some" / "cuts.mp4")
    clips = find_candidates(reader, Counting("puppet", build_detector("puppet")), QualitySettings())

    assert next(clips).frames == range(20) and read < 68
    assert sum(len(clip.frames) for clip in clips) == 48 and read == 68


def test_a_sheet_has_a_bounded_number_of_rows() -> None:
    sheet = SheetRows(max_rows=10)
    for number in range(100):
        sheet.add(partial(ClipPicture, str(number), []))
    assert [row.label for row in sheet.rows] == ["0", "16", "32", "48", "64", "80", "96"]


def test_long_videos_are_read_up_to_the_given_limit(tmp_path: Path, weights: Path) -> None:
    write(tmp_path / "long.mp4", empty_video(1, 40), Fraction(1, 10))
    settings = PrepareSettings(preset=str(TINY), weights=weights, sizes=((32, 32),))
    with pytest.raises(ConfigError, match=r"was kept: no person \(1\)"):
        prepare_shards(tmp_path, FolderStorage(tmp_path / "out"), settings, report_line)
    with pytest.raises(ConfigError, match=r"the video lasts 400\.0 s; at most 399\.0 s are"):
        shorter = replace(settings, max_duration_s=399.0)
        prepare_shards(tmp_path, FolderStorage(tmp_path / "out"), shorter, report_line)


def test_the_report_counts_kept_and_dropped_clips(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared

    kept_clips = [
        (clip["video"], clip["first_frame"]) for clip in report.clips if not clip["reasons"]
    ]
    assert kept_clips == [("some/cuts.mp4", 0), ("some/cuts.mp4", 20), ("some/cuts.mp4", 44)]
    assert report.dropped() == {"no person": 2, "too still": 1, "too short": 1}
    assert list(report.unreadable) == ["broken.mp4"]
    assert sum(clip["frames"] for clip in report.clips) == report.frames == 68 + 28 + 10
    written = json.loads((out / "report.json").read_text())
    assert written["kept"] == 3 and written["kept_frames"] == 62
    sheet = read_image(out / "sheet.png")
    assert sheet.shape[0] > 7 * 96 and sheet.std() > 30


def test_shards_hold_the_latents_and_poses_of_the_frames(
    prepared: tuple[Path, PrepareReport], videos: Path, weights: Path
) -> None:
    out, _ = prepared
    index = read_index(out / "index.json")
    clip = index.clips[1]
    assert (clip.video, clip.first_frame, clip.frames, clip.fps) == ("some/cuts.mp4", 20, 18, 12)
    tensors = load_file(out / clip.shard)

    assert tensors[f"{clip.name}/latents"].shape == (18, 4, 4, 4)
    assert tensors[f"{clip.name}/body"].shape == (18, 18, 3)
    scene = sample_scene(12, 18, SIDE)
    truth = np.stack([pose.keypoints for pose in scene.source.poses(scene.motion)])
    keypoints = tensors[f"{clip.name}/body"].double().numpy()[..., :2]
    scales = np.ptp(keypoints, axis=(0, 1)) / np.ptp(truth, axis=(0, 1))
    np.testing.assert_allclose(scales, scales.mean(), rtol=0.1)  # a square, at one scale
    offset = keypoints.mean(axis=(0, 1)) - truth.mean(axis=(0, 1)) * scales.mean()
    assert np.abs(truth * scales.mean() + offset - keypoints).mean() < 1.0
    # Encoded frames decode to what they show, as far as this autoencoder can.
    clips = ShardClips(ShardData(str(out)), 6, tiny_preset(), weights)
    batch, pictures = clips.examples(2, load_codec(tiny_preset(), weights))
    assert pictures.shape == (2, 7, 32, 32, 3) and batch.latents.shape == (2, 4, 6, 4, 4)


def test_every_frame_of_a_clip_may_be_drawn(
    prepared: tuple[Path, PrepareReport], weights: Path
) -> None:
    preset = tiny_preset()
    clips = ShardClips(ShardData(str(prepared[0])), 6, preset, weights)
    latents = {
        name: tensor.float()
        for name, tensor in load_file(next(prepared[0].glob("shard-*"))).items()
        if "/latents" in name
    }

    batch = clips.sample(draw_samples(0, 0, range(60)))
    again = clips.sample(draw_samples(0, 0, range(45, 60)))

    assert torch.equal(batch.latents[45:], again.latents)
    assert torch.equal(batch.pose_maps[45:], again.pose_maps)
    assert batch.pose_maps.shape == (60, 3, 6, 32, 32) and 0.5 < batch.pose_maps.max() <= 1
    drawn = set()
    for row in batch.latents.transpose(1, 2):
        [(name, first)] = [
            (name, start)
            for name, clip in latents.items()
            for start in range(len(clip) - 5)
            if torch.equal(clip[start : start + 6], row)
        ]
        drawn.add(name)
    assert drawn == set(latents) and len(drawn) == 3 * 4  # of each clip its views as well


@pytest.mark.parametrize("name", [pytest.param("stage1", marks=pytest.mark.long), "stage2"])
def test_both_stages_train_on_shards(
    runs: TinyRuns, prepared: tuple[Path, PrepareReport], name: str
) -> None:
    shards = ShardData(str(prepared[0]))

    scalars = runs.train(name, data=None, shards=shards, batch_size=2, steps=2)

    assert all(0 < now["loss"] < 10 and now["grad_norm"] > 0 for now in scalars)
    assert (runs.root / name / "sheets" / "0000002.png").exists()


def test_remote_shards_are_downloaded_once_and_checked(
    prepared: tuple[Path, PrepareReport], runs: TinyRuns
) -> None:
    data = ShardData("far://away", cache=str(runs.root / "cache"))
    config = runs.config("stage1", data=None, shards=data)
    opened: list[str] = []

    def open_far(place: str) -> FolderStorage:
        opened.append(place)
        return FolderStorage(prepared[0])

    fetch_shards(config, open_far)
    [shard] = local_folder(data).glob("shard-*")
    before = shard.stat().st_mtime_ns
    fetch_shards(config, open_far)
    assert opened == ["far://away"] * 2 and shard.stat().st_mtime_ns == before
    shard.write_bytes(b"damaged")
    fetch_shards(config, open_far)
    assert shard.stat().st_size > 1000
    with pytest.raises(StorageError, match="far://away: index.json does not exist"):
        fetch_shards(config, lambda place: FolderStorage(runs.root / "nothing"))


def test_shards_of_another_autoencoder_are_rejected(
    prepared: tuple[Path, PrepareReport], runs: TinyRuns, weights: Path
) -> None:
    preset = tiny_preset()
    (runs.parts / "vae.safetensors").write_bytes(b"another")

    with pytest.raises(ConfigError, match="made with autoencoder .*prepare the data again"):
        ShardClips(ShardData(str(prepared[0])), 1, preset, runs.parts)


def test_a_crop_square_contains_the_body_and_stays_inside_the_picture() -> None:
    points = np.full((18, 2), 30.0)
    points[0], points[1] = (5, 10), (25, 50)
    pose = Pose(points, np.ones(18), (60, 100))

    region = region_around([pose], (26, 26))

    assert region == Region(left=0, top=4, width=52, height=52)
    moved = region.move(pose, (26, 26))
    np.testing.assert_allclose(moved.keypoints[1], [12.5, 23])
    assert moved.canvas == (26, 26)


@pytest.mark.parametrize(
    ("name", "frames"), [("stage1", 1), pytest.param("stage2", 6, marks=pytest.mark.long)]
)
def test_training_without_validation_clips_skips_validation(
    prepared: tuple[Path, PrepareReport],
    runs: TinyRuns,
    caplog: pytest.LogCaptureFixture,
    name: str,
    frames: int,
) -> None:
    out, report = prepared
    assert report.splits() == {"train": report.kept, "validation": 0}
    assert json.loads((out / REPORT).read_text())["splits"] == report.splits()
    data = ShardData(str(out))
    held_out = ValidationConfig(shards=replace(data, split="validation"))

    stage = runs.stage(name, data=None, shards=data, validation=held_out)

    assert stage.validation is None
    [output] = caplog.messages
    assert "no clip of split 'validation'" in output and "without validation" in output
    seen = runs.stage(name, data=None, shards=data, validation=ValidationConfig(shards=data))
    assert seen.validation is not None


def test_data_prepare_reports_an_empty_split(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "one.mp4", puppet(11, 20))
    words = f"data prepare {tmp_path} --out {tmp_path / 'out'} --preset {TINY} --weights {weights}"

    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--size", "32", "--validation-share", "0"])

    output = capsys.readouterr()
    assert ended.value.code == 0
    assert "1 for train, 0 for validation" in output.out
    assert "warning: no clips for validation" in output.err and "--validation-share" in output.err
    assert len(read_index(tmp_path / "out" / "index.json").clips[0].views) == 3

    check = f"data check {tmp_path / 'out'} --sheet {tmp_path / 'check.png'}"
    with pytest.raises(SystemExit) as ended:
        main([*check.split(), "--preset", str(TINY), "--weights", str(weights)])

    assert ended.value.code == 0
    assert "the digests of all shards are right" in capsys.readouterr().out
    assert read_image(tmp_path / "check.png").shape[1] > 4 * 32  # the whole and three views


def test_crops_are_stable_and_every_second_is_mirrored() -> None:
    crops = random_crops("a.mp4-000000", 5, flips=True)

    assert crops[:3] == random_crops("a.mp4-000000", 3, flips=True)
    assert [crop.is_flipped for crop in crops] == [True, False, True, False, True]
    assert all(0.9 <= crop.scale <= 1 for crop in crops)
    assert not any(crop.is_flipped for crop in random_crops("a.mp4-000000", 5, flips=False))
    assert random_crops("b.mp4-000000", 5, flips=True) != crops


def test_a_videos_split_is_stable() -> None:
    names = [f"{number}.mp4" for number in range(400)]
    aside = [name for name in names if split_of(name, 0.1) == "validation"]

    assert 20 < len(aside) < 60
    assert all(split_of(name, 0.2) == "validation" for name in aside)


def test_videos_that_differ_only_in_suffix_are_both_prepared(tmp_path: Path, weights: Path) -> None:
    for seed, name in enumerate(("a.mp4", "a.mov"), 11):
        write(tmp_path / "videos" / name, puppet(seed, 12))
    out, quality = FolderStorage(tmp_path / "out"), QualitySettings(min_frames=10)
    settings = PrepareSettings(
        preset=str(TINY), weights=weights, sizes=((32, 32),), quality=quality
    )

    prepare_shards(tmp_path / "videos", out, settings, report_line)

    mov, mp4 = read_index(tmp_path / "out" / "index.json").clips
    assert (mov.video, mp4.video) == ("a.mov", "a.mp4")
    tensors = load_file(tmp_path / "out" / mov.shard)
    assert not torch.equal(tensors[f"{mov.name}/latents"], tensors[f"{mp4.name}/latents"])


def test_preparation_without_a_kept_clip_fails(tmp_path: Path, weights: Path) -> None:
    settings = PrepareSettings(preset=str(TINY), weights=weights, sizes=((32, 32),))
    with pytest.raises(ConfigError, match="no videos or images found"):
        prepare_shards(tmp_path, FolderStorage(tmp_path / "out"), settings, report_line)
    write(tmp_path / "empty.mp4", empty_video(1, 3))
    with pytest.raises(
        ConfigError, match=r"no clip of the 1 videos and folders was kept: no person \(1\)"
    ):
        prepare_shards(tmp_path, FolderStorage(tmp_path / "out"), settings, report_line)
    assert not (tmp_path / "out" / "index.json").exists()
