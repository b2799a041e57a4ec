"""TikTok-style folders, written by the tests with puppets in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from media.image import read_image, write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import ConfigError
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.loading import load_codec
from tcan_core.models.weights.presets import Preset
from tcan_core.puppets.world import sample_scene
from tcan_core.training.config import FolderData
from tcan_core.training.damaged_files import DamagedFiles
from tcan_core.training.folder_data import FolderClips, find_clips
from tcan_core.training.prepare.crops import Crop, whole_image
from tcan_core.training.samples import Samples, draw_samples, numpy_generators
from tests.tcan_core.training.conftest import TinyRuns

HEIGHT, WIDTH, FRAMES = 56, 40, 12  # upright images, as of a phone


def write_clip(root: Path, name: str, seed: int, frames: int = FRAMES) -> None:
    """Write a clip: frame `i` is `i.png`, so that names sort otherwise than numbers."""
    scene = sample_scene(seed, frames, HEIGHT)
    for folder in ("images", "dwpose"):
        (root / name / folder).mkdir(parents=True)
    inner = slice((HEIGHT - WIDTH) // 2, (HEIGHT + WIDTH) // 2)
    for index, pose in enumerate(scene.source.poses(scene.motion)):
        write_png(root / name / "images" / f"{index}.png", scene.source.draw(pose)[0][:, inner])
        write_png(root / name / "dwpose" / f"{index}.png", draw_pose(pose)[:, inner])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiktok")
    for seed, name in enumerate(("00001", "00002", "00337")):
        write_clip(folder, name, seed)
    write_clip(folder, "short", 3, frames=4)
    return folder


@pytest.fixture
def codec(tiny: Preset, weights: Path) -> ImageCodec:
    return load_codec(tiny, weights)


def folders(root: Path, **changes: object) -> FolderData:
    chosen: dict[str, object] = {"root": str(root), "size": 32, "left_out": ("00337",)} | changes
    return FolderData(**chosen)  # type: ignore[arg-type]


def some(count: int, seed: int = 0) -> Samples:
    return draw_samples(seed, 0, range(count))


def test_clips_are_listed_in_the_order_of_their_frames(root: Path) -> None:
    clips = find_clips(folders(root), min_frames=6)

    assert [clip.name for clip in clips] == ["00001", "00002"]  # one for tests, one too short
    assert [path.stem for path in clips[0].images] == [str(index) for index in range(FRAMES)]
    assert [path.stem for path in clips[0].poses] == [str(index) for index in range(FRAMES)]
    assert len(find_clips(folders(root, left_out=()), min_frames=4)) == 4
    held_out = folders(root, left_out=(), only=("00337",))
    assert [clip.name for clip in find_clips(held_out, min_frames=4)] == ["00337"]
    with pytest.raises(ConfigError, match="clips listed in `only` do not exist: 00338"):
        find_clips(folders(root, left_out=(), only=("00001", "00338")), min_frames=4)


def test_encoding_is_the_same_under_autocast(root: Path, codec: ImageCodec) -> None:
    """A step in bf16 draws its data under autocast; what shards hold is float32's."""
    batch = FolderClips(folders(root), 1).sample(some(2))

    outside = batch.encoded(codec).latents
    with torch.autocast("cpu", torch.bfloat16):
        inside = batch.encoded(codec).latents

    assert inside.dtype == torch.float32 and torch.equal(inside, outside)


def test_a_crop_is_a_square_of_the_shorter_side() -> None:
    picture = np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)

    image = whole_image((HEIGHT, WIDTH))
    whole = Crop().cut(picture, image, (WIDTH, WIDTH))
    assert np.array_equal(whole, picture[8:48])
    flipped = Crop(is_flipped=True).cut(picture, image, (WIDTH, WIDTH))
    assert np.array_equal(flipped, picture[8:48, ::-1])
    corner = Crop(scale=0.9, down=1.0, across=1.0).cut(picture, image, (36, 36))
    assert np.array_equal(corner, picture[-36:, -36:])
    for side in (32, 64):
        assert Crop(0.95, 0.3, 0.6).cut(picture, image, (side, side)).shape == (side, side, 3)


@pytest.mark.parametrize("num_frames", [1, 6])
def test_a_folder_batch_has_the_expected_shapes_and_ranges(
    root: Path, codec: ImageCodec, num_frames: int
) -> None:
    batch = FolderClips(folders(root), num_frames).sample(some(3)).encoded(codec)

    assert batch.sources.shape == (3, 4, 4, 4)
    assert batch.latents.shape == (3, 4, num_frames, 4, 4)
    assert batch.pose_maps.shape == (3, 3, num_frames, 32, 32)
    assert batch.pose_maps.min() == 0 and 0.5 < batch.pose_maps.max() <= 1
    assert not batch.latents.requires_grad and batch.latents.dtype == torch.float32


def test_samples_depend_only_on_their_generator(root: Path, codec: ImageCodec) -> None:
    clips = FolderClips(folders(root), 6)
    first, second, other = (clips.sample(some(2, seed)).encoded(codec) for seed in (1, 1, 2))

    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.pose_maps, second.pose_maps)
    assert not torch.equal(first.latents, other.latents)


def test_the_clips_of_a_batch_are_named(root: Path, codec: ImageCodec) -> None:
    clips = FolderClips(folders(root), 6)
    drawn = [clips.clips[rng.integers(2)].name for rng in numpy_generators(some(9))]

    assert clips.names(some(9)) == drawn and set(drawn) == {"00001", "00002"}


def test_all_pictures_of_a_sample_share_one_crop(tmp_path: Path, codec: ImageCodec) -> None:
    for index in range(FRAMES):  # every pixel says where it is: x, y, frame
        xs, ys = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        picture = np.stack([xs, ys, np.full_like(xs, index)], axis=2).astype(np.uint8)
        for folder in ("images", "dwpose"):
            (tmp_path / "00001" / folder).mkdir(parents=True, exist_ok=True)
            write_png(tmp_path / "00001" / folder / f"{index}.png", picture)
    side = round(0.9 * WIDTH)
    data = folders(tmp_path, size=side, crop_scale=(0.9, 0.9))
    clips = FolderClips(data, 6)

    places = []
    for seed in range(20):
        pictures, maps = clips._read((side, side), np.random.default_rng(seed), [])
        corners = np.concatenate([pictures, maps])[:, 0, 0]
        assert len(set(map(tuple, corners[:, :2]))) == 1
        assert np.array_equal(pictures[1:, 0, 0, 2], pictures[1, 0, 0, 2] + np.arange(6))
        assert np.array_equal(maps, pictures[1:])
        places.append(corners[0])
    across, down, _ = np.transpose(places)
    assert (across.min(), across.max()) == (0, WIDTH - side)
    assert down.min() < 5 and down.max() > HEIGHT - side - 5


@pytest.mark.parametrize("num_frames", [1, 6])
def test_a_step_has_clips_of_one_size_in_all_processes(tmp_path: Path, num_frames: int) -> None:
    for seed, name in enumerate(("tall", "tall too", "wide")):
        write_clip(tmp_path, name, seed)
    for path in (tmp_path / "wide").rglob("*.png"):
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))
    clips = FolderClips(folders(tmp_path, sizes=((24, 40), (40, 24))), num_frames)
    assert clips.sizes == {(40, 24): 2, (24, 40): 1}

    heights = []
    for step in range(40):
        whole = clips.sample(draw_samples(0, step, range(2)))
        second = clips.sample(draw_samples(0, step, range(1, 2)))
        height, width = whole.pictures.shape[2:4]
        heights.append(height)
        assert (height, width) in clips.sizes
        assert whole.drawn_poses.shape[2:4] == (height, width)
        assert np.array_equal(whole.pictures[1:], second.pictures)
        names = clips.names(draw_samples(0, step, range(2)))
        assert {name == "wide" for name in names} == {height == 24}
    assert 20 <= heights.count(40) <= 34  # two clips of three


def test_examples_of_several_sizes_are_of_the_most_frequent(
    tmp_path: Path, codec: ImageCodec
) -> None:
    for seed, name in enumerate(("tall", "tall too", "wide")):
        write_clip(tmp_path, name, seed)
    for path in (tmp_path / "wide").rglob("*.png"):
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))
    clips = FolderClips(folders(tmp_path, sizes=((40, 24), (24, 40))), 1)

    batch, pictures = clips.examples(2, codec)

    assert pictures.shape == (2, 2, 40, 24, 3) and batch.latents.shape == (2, 4, 1, 5, 3)


@pytest.mark.long
@pytest.mark.parametrize("name", ["stage1", "stage2"])
def test_both_stages_train_on_several_sizes(runs: TinyRuns, tmp_path: Path, name: str) -> None:
    for seed, clip in enumerate(("tall", "wide")):
        write_clip(tmp_path, clip, seed)
    for path in (tmp_path / "wide").rglob("*.png"):
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))
    data = folders(tmp_path, sizes=((24, 40), (40, 24), (32, 32)))

    scalars = runs.train(name, data=None, folders=data, batch_size=2, steps=6)

    assert all(0 < now["loss"] < 10 and now["grad_norm"] > 0 for now in scalars)


def test_a_side_that_cannot_be_encoded_is_rejected(root: Path, runs: TinyRuns) -> None:
    with pytest.raises(
        ConfigError, match="size is 36; it must be a multiple of 8, such as 32 or 40"
    ):
        runs.stage("stage1", data=None, folders=folders(root, sizes=((32, 36),)))


def test_a_single_target_differs_from_its_source(root: Path, codec: ImageCodec) -> None:
    clips = FolderClips(folders(root), 1)
    for seed in range(20):
        (source, target), _ = clips._read((32, 32), np.random.default_rng(seed), [])
        assert not np.array_equal(source, target)


def test_example_batches_come_with_their_pictures(root: Path, codec: ImageCodec) -> None:
    clips = FolderClips(folders(root), 6)
    batch, pictures = clips.examples(2, codec)
    again, _ = clips.examples(2, codec)

    assert pictures.shape == (2, 7, 32, 32, 3)
    assert torch.equal(batch.latents, again.latents)
    images = torch.from_numpy(pictures[1, :1]).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.testing.assert_close(batch.sources[1:], codec.encode(images))


def test_folders_without_a_usable_clip_are_rejected(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no clip of 4 has at least 30 frames"):
        find_clips(folders(root), min_frames=30)
    with pytest.raises(ConfigError, match="no clip of 0 has .*; expected <clip>/images/"):
        find_clips(folders(tmp_path), min_frames=1)


def test_a_picture_turned_beside_its_pose_is_rejected(tmp_path: Path, codec: ImageCodec) -> None:
    write_clip(tmp_path, "turned", 1, frames=2)
    for path in (tmp_path / "turned" / "images").iterdir():
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))
    clips = FolderClips(folders(tmp_path), 1)

    with pytest.raises(
        ConfigError, match=r"images/\d.png has 56x40 pixels, but its pose .*dwpose/\d.png has 40x56"
    ):
        clips.sample(some(1))

    for path in (tmp_path / "turned" / "dwpose").iterdir():  # smaller poses of the same shape fit
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))[::2, ::2]))
    clips.sample(some(1))


def test_a_frame_without_a_pose_is_rejected(tmp_path: Path) -> None:
    write_clip(tmp_path, "00001", 0, frames=3)
    (tmp_path / "00001" / "dwpose" / "1.png").unlink()

    with pytest.raises(
        ConfigError, match=r"00001: 1 of 3 frames have no pose in dwpose; the first is 1.png"
    ):
        find_clips(folders(tmp_path), min_frames=2)


@pytest.mark.parametrize(("name", "frames"), [("stage1", 1), ("stage2", 6)])
def test_both_stages_train_on_folders(runs: TinyRuns, root: Path, name: str, frames: int) -> None:
    scalars = runs.train(name, data=None, folders=folders(root), batch_size=2)

    assert all(0 < now["loss"] < 10 and now["grad_norm"] > 0 for now in scalars)
    sheet = read_image(runs.root / name / "sheets" / "0000004.png")
    assert sheet.shape == {"stage1": (4 * 32, 16 * 32, 3), "stage2": (6 * 32, 7 * 32, 3)}[name]
    assert (
        runs.parts / ("lora.safetensors" if frames == 1 else "motion_modules.safetensors")
    ).exists()


def damage(root: Path, name: str, frames: int) -> None:
    for index in range(frames):
        path = root / name / "images" / f"{index}.png"
        path.write_bytes(path.read_bytes()[:-100])


def test_damaged_images_are_skipped_and_counted_once(
    tmp_path: Path, codec: ImageCodec, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, name in enumerate(("good", "worse")):
        write_clip(tmp_path, name, seed, frames=2)
    damage(tmp_path, "worse", 1)
    clips = FolderClips(folders(tmp_path), 1)

    batch = clips.sample(some(12))
    clips.examples(4, codec)
    DamagedFiles().note(batch.damaged)

    assert len(batch.pictures) == 12
    [first, again] = caplog.records
    assert first.message == again.message
    assert first.message.startswith("damaged file 1 of at most 10 skipped: worse: 0.png: ")
    other = FolderClips(folders(tmp_path), 1).sample(some(12))
    assert np.array_equal(batch.pictures, other.pictures)


@pytest.mark.parametrize(("limit", "found"), [(1, 2), (10, 2)])
def test_too_many_damaged_images_end_the_run(
    tmp_path: Path, codec: ImageCodec, limit: int, found: int
) -> None:
    write_clip(tmp_path, "worse", 0, frames=2)
    damage(tmp_path, "worse", 2)
    clips = FolderClips(folders(tmp_path, max_damaged=limit), 1)

    with pytest.raises(ConfigError, match=f"{found} damaged files, allowed are {limit} .*1.png.*"):
        clips.sample(some(12))
