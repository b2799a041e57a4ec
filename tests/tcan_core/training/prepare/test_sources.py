"""Folders of frames and of pictures become clips, in shards and in TikTok's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.data_check import parse_size
from cli.main import main
from media.image import read_image, write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import read_pose_file
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import ConfigError, ParameterError
from tcan_core.models.weights.loading import load_codec
from tcan_core.puppets.background import draw_background
from tcan_core.training.config import FolderData, ShardData
from tcan_core.training.folder_check import find_problems
from tcan_core.training.folder_data import FolderClips, find_clips
from tcan_core.training.pose_augmentation import PoseAugmentation
from tcan_core.training.prepare.crops import Region, nearest_size, region_around
from tcan_core.training.prepare.prepare import prepare_folders, prepare_shards
from tcan_core.training.prepare.quality import QualitySettings
from tcan_core.training.prepare.settings import PrepareSettings
from tcan_core.training.prepare.sources import find_sources
from tcan_core.training.samples import draw_samples
from tcan_core.training.shard_data import ShardClips, usable_clips
from tcan_core.training.shards import read_index
from tcan_core.training.storage import FolderStorage
from tests.tcan_core.tiny_weights import TINY, tiny_preset
from tests.tcan_core.training.prepare.test_prepare import SIDE, Frames, puppet, report_line, write


def write_images(folder: Path, frames: Frames) -> None:
    """Write frames as 0.png and so on, so that names sort otherwise than numbers."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        write_png(folder / f"{index}.png", frame)


def settings_of(weights: Path, **changes: object) -> PrepareSettings:
    chosen: dict[str, object] = {
        "preset": str(TINY), "weights": weights, "sizes": ((32, 32),), "validation_share": 0.0,
        "quality": QualitySettings(min_frames=10),
    } | changes  # fmt: skip
    return PrepareSettings(**chosen)  # type: ignore[arg-type]


def test_sources_are_videos_and_folders_of_images(tmp_path: Path) -> None:
    frames = puppet(11, 2)
    for name in ("some/walk", "00001/images", "00001/dwpose", ".hidden", "out/clip"):
        write_images(tmp_path / name, frames)
    write(tmp_path / "a.mp4", frames)
    (tmp_path / "some" / "notes.txt").write_text("text")

    sources = find_sources(tmp_path, without=tmp_path / "out")

    assert [one.name for one in sources] == ["00001", "a.mp4", "some/walk"]
    assert [len(one.images) for one in sources] == [2, 0, 2]
    assert [one.name for one in find_sources(tmp_path / "a.mp4")] == ["a.mp4"]
    with pytest.raises(ConfigError, match="missing: not found; name a folder of videos or"):
        find_sources(tmp_path / "missing")


def test_a_folder_of_frames_is_a_clip(tmp_path: Path, weights: Path) -> None:
    write_images(tmp_path / "in" / "walk", puppet(11, 14) + puppet(12, 12))
    lines: list[str] = []
    settings = settings_of(weights, fps=12.0)

    prepare_shards(tmp_path / "in", FolderStorage(tmp_path / "out"), settings, lines.append)

    first, second = read_index(tmp_path / "out" / "index.json").clips
    assert (first.name, first.frames, first.fps) == ("walk-000000", 14, 12)
    assert (second.name, second.first_frame, second.frames) == ("walk-000014", 14, 12)
    assert lines == ["1 of 1: walk", "  frames 0-13: kept", "  frames 14-25: kept"]


def test_frames_of_two_sizes_are_reported_by_name(tmp_path: Path, weights: Path) -> None:
    frames = puppet(11, 12)
    write_images(tmp_path / "in" / "walk", [*frames[:10], frames[10][:50]])
    settings = settings_of(weights)
    with pytest.raises(
        ConfigError, match=r"walk: 10.png has 64x50 pixels, but 0.png has 64x64.*--images pictures"
    ):
        prepare_shards(tmp_path / "in", FolderStorage(tmp_path / "out"), settings, report_line)
    write_images(tmp_path / "in" / "others", [puppet(seed, 1)[0] for seed in range(3)])
    with pytest.raises(ConfigError, match=r"too short .*--images pictures"):
        prepare_shards(
            tmp_path / "in" / "others", FolderStorage(tmp_path / "out"), settings, report_line
        )


def test_separate_pictures_of_a_person_serve_stage_1(tmp_path: Path, weights: Path) -> None:
    shown = puppet(11, 20)[::5]
    empty = draw_background(np.random.default_rng(1), SIDE)
    write_images(tmp_path / "in" / "ann", [*shown[:2], empty, shown[2][:, 4:], shown[3]])
    (tmp_path / "in" / "ann" / "9.png").write_bytes(b"not an image")
    write_images(tmp_path / "in" / "ben", shown[:1])
    settings, out = settings_of(weights, images="pictures"), tmp_path / "out"

    report = prepare_shards(tmp_path / "in", FolderStorage(out), settings, report_line)

    [clip] = read_index(out / "index.json").clips
    assert (clip.name, clip.frames, clip.fps, len(clip.views)) == ("ann", 4, 0, 3)
    assert report.dropped() == {"no person": 1, "too few pictures": 1}
    assert list(report.unreadable) == ["ann/9.png"]
    assert len(usable_clips(ShardData(str(out)), 1)) == 1
    assert usable_clips(ShardData(str(out)), 2) == []


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    root = tmp_path_factory.mktemp("folders")
    (root / "in").mkdir()
    write(root / "in" / "some" / "a.mp4", puppet(11, 14))
    write_images(root / "in" / "walk", puppet(12, 12))
    prepare_folders(root / "in", root / "out", settings_of(weights), report_line)
    return root / "out"


def test_folders_have_the_layout_of_tiktok(folders: Path) -> None:
    assert sorted(path.name for path in folders.iterdir()) == ["report.json", "sheet.png", "train"]
    clips = find_clips(FolderData(str(folders / "train")), 10)
    assert [clip.name for clip in clips] == ["some__a.mp4-000000", "walk-000000"]
    assert [len(clip.images) for clip in clips] == [14, 12]
    assert not [problem for problem in find_problems(clips) if problem]
    assert len(list((folders / "train" / "walk-000000" / "dwpose").iterdir())) == 12
    image = read_image(clips[1].images[0])
    assert image.shape == (36, 36, 3)  # a crop of 0.9 has 32 pixels
    document = read_pose_file(folders / "train" / "walk-000000" / "poses.json")
    assert document.is_cleaned and document.canvas == (36, 36)
    [[found]] = build_detector("puppet").detect(image[None])
    distance = np.linalg.norm(found.keypoints - document.frames[0][0].keypoints, axis=1)
    assert distance[found.detected].mean() < 2

    data = FolderData(str(folders / "train"), sizes=((32, 32),), flip_share=0.5)
    batch = FolderClips(data, 6, PoseAugmentation()).sample(draw_samples(0, 0, range(4)))
    assert batch.pictures.shape == (4, 7, 32, 32, 3)


def test_prepared_folders_become_shards(folders: Path, tmp_path: Path, weights: Path) -> None:
    settings = settings_of(weights)
    prepare_shards(folders / "train", FolderStorage(tmp_path / "out"), settings, report_line)
    clips = read_index(tmp_path / "out" / "index.json").clips
    assert [(clip.video, clip.frames) for clip in clips] == [
        ("some__a.mp4-000000", 14), ("walk-000000", 12),
    ]  # fmt: skip


def test_folders_are_written_whole_or_not_at_all(tmp_path: Path, weights: Path) -> None:
    settings = settings_of(weights)
    write(tmp_path / "in" / "a.mp4", puppet(11, 12))
    write(tmp_path / "in" / "b.mp4", puppet(12, 12))
    long = tmp_path / "in" / f"{'b' * 250}.mp4"  # a folder cannot have this name with a number
    (tmp_path / "in" / "b.mp4").rename(long)
    with pytest.raises(OSError, match="File name too long"):
        prepare_folders(tmp_path / "in", tmp_path / "out", settings, report_line)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ConfigError, match="out is not empty; choose another folder, or remove it"):
        prepare_folders(tmp_path / "in", tmp_path / "out", settings, report_line)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_step_draws_shards_of_one_aspect_ratio(tmp_path: Path, weights: Path) -> None:
    for seed in (11, 12):
        write_images(tmp_path / "in" / f"tall{seed}", [one[:, 10:54] for one in puppet(seed, 14)])
    wide = [np.pad(one, ((0, 0), (20, 20), (0, 0)), "edge") for one in puppet(13, 14)]
    write_images(tmp_path / "in" / "wide", wide)
    sizes, out = ((40, 24), (24, 40)), tmp_path / "out"

    prepare_shards(
        tmp_path / "in", FolderStorage(out), settings_of(weights, sizes=sizes), report_line
    )

    clips = ShardClips(ShardData(str(out)), 6, tiny_preset(), weights)
    assert clips.sizes == {(40, 24): 2, (24, 40): 1}
    shapes = set()
    for step in range(12):
        batch = clips.sample(draw_samples(0, step, range(2)))
        height, width = batch.drawn_poses.shape[-2:]
        assert batch.latents.shape == (2, 4, 6, height // 8, width // 8)
        assert batch.drawn_poses.any()
        shapes.add((height, width))
    assert shapes == set(sizes)
    _, pictures = clips.examples(2, load_codec(tiny_preset(), weights))
    assert pictures.shape == (2, 7, 40, 24, 3)


def test_a_region_has_the_aspect_ratio_of_its_size_and_holds_the_body() -> None:
    points = np.full((18, 2), 30.0)
    points[0], points[1] = (5, 10), (25, 50)
    pose = Pose(points, np.ones(18), (60, 100))

    tall, wide = (region_around([pose], size) for size in ((40, 20), (20, 40)))

    assert tall == Region(left=2, top=0, width=30, height=60)
    assert wide == Region(left=0, top=5, width=100, height=50)
    moved = tall.move(pose, (40, 20))
    np.testing.assert_allclose(moved.keypoints[1], [(25 - 2) * 2 / 3, 50 * 2 / 3])
    assert moved.canvas == (40, 20)
    assert nearest_size([(40, 20), (20, 20), (20, 40)], (1920, 1080)) == (40, 20)


@pytest.mark.parametrize("text", ["512y", "16", "384x640x3", "384x"])
def test_sizes_are_sides_or_widths_and_heights(text: str) -> None:
    assert parse_size("384x640") == (640, 384) and parse_size("512") == (512, 512)
    with pytest.raises(ParameterError, match=rf"size is '{text}'; write a side such as 512, or"):
        parse_size(text)


def test_command_writes_folders(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in" / "ann", puppet(11, 20)[::5])
    words = f"data prepare {tmp_path / 'in'} --preset {TINY} --weights {weights} --size 32"
    words += " --format folders --images pictures --validation-share 0 --out "
    for out, code in ((f"{tmp_path / 'out'}", 0), ("s3://bucket/clips", 2)):
        with pytest.raises(SystemExit) as ended:
            main((words + out).split())
        assert ended.value.code == code
    output = capsys.readouterr()
    assert "4 of 4 frames of 1 videos and folders" in output.out
    assert "1 of 1: ann" in output.err and "4 pictures: kept" in output.err
    assert "--out is s3://bucket/clips; folders are written to this machine" in output.err
    assert (tmp_path / "out" / "train" / "ann" / "images" / "000003.png").exists()
