"""Shards hold all that a skeleton shows, and a set is replaced whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from media.digest import file_sha256
from media.poses.keypoints import Pose
from tcan_core.conditioning.detectors import build_detector
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.errors import ConfigError, ParameterError, StorageError
from tcan_core.models.weights.loading import load_codec
from tcan_core.models.weights.part_files import find_part
from tcan_core.puppets.world import sample_scene
from tcan_core.training.config import ShardData
from tcan_core.training.prepare.clip_writers import PreparedClip, ShardClipWriter
from tcan_core.training.prepare.crops import Crop, Region
from tcan_core.training.puppet_data import to_images
from tcan_core.training.samples import draw_samples, numpy_generators
from tcan_core.training.shard_data import ShardClips, fetch_shards
from tcan_core.training.shards import INDEX, ShardIndex, ShardWriter, read_index
from tcan_core.training.storage import FolderStorage
from tests.tcan_core.tiny_weights import tiny_preset
from tests.tcan_core.training.conftest import TinyRuns

SIZE, FRAMES = 128, 4


def poses(seed: int, with_face: bool = True) -> list[Pose]:
    rng = np.random.default_rng(seed)

    def part(joints: int) -> NDArray[np.float64]:
        return np.column_stack([rng.uniform(8, SIZE - 8, (joints, 2)), np.full(joints, 0.9)])

    whole = [
        Pose(part(18)[:, :2], np.ones(18), (SIZE, SIZE), part(21), part(21), part(70))
        for _ in range(FRAMES)
    ]
    return whole if with_face else [replace(pose, face=None) for pose in whole]


def fill(writer: ShardWriter, names: str, seed: int = 0) -> None:
    for number, name in enumerate(names):
        torch.manual_seed(seed + number)
        source: dict[str, Any] = {"split": "train", "video": name, "first_frame": 0, "fps": 12.0}
        writer.add(torch.randn(FRAMES, 4, 16, 16), poses(seed + number), name=name, **source)


def index_of(weights: Path) -> ShardIndex:
    return ShardIndex(SIZE, file_sha256(find_part(tiny_preset(), "vae", weights)), "puppet")


def open_clips(folder: Path, weights: Path, num_frames: int) -> ShardClips:
    preset = tiny_preset()
    data = ShardData(str(folder))
    return ShardClips(data, num_frames, preset, weights)


def maps_of(folder: Path, weights: Path) -> NDArray[np.uint8]:
    """Return the skeletons of the first clip, (frames, height, width, 3)."""
    codec = load_codec(tiny_preset(), weights)
    batch, _ = open_clips(folder, weights, FRAMES).examples(1, codec)
    maps = (batch.pose_maps[0].permute(1, 2, 3, 0) * 255).round()
    return np.asarray(maps.numpy(), np.uint8)


def test_pose_maps_from_shards_equal_those_of_inference(tmp_path: Path, weights: Path) -> None:
    writer = ShardWriter(FolderStorage(tmp_path), index_of(weights))
    fill(writer, "a")
    writer.close()

    drawn = maps_of(tmp_path, weights)

    assert np.array_equal(drawn, draw_poses(poses(0)))
    assert not np.array_equal(drawn, draw_poses(poses(0, with_face=False)))


def test_shards_of_format_1_without_faces_are_read(tmp_path: Path, weights: Path) -> None:
    writer = ShardWriter(FolderStorage(tmp_path), index_of(weights))
    fill(writer, "a")
    [shard] = writer.close().shards
    tensors = load_file(tmp_path / shard)
    del tensors["a/face"]
    save_file(tensors, tmp_path / shard)
    index = json.loads((tmp_path / INDEX).read_text())
    (tmp_path / INDEX).write_text(json.dumps(index | {"format": 1}))

    assert np.array_equal(maps_of(tmp_path, weights), draw_poses(poses(0, with_face=False)))

    (tmp_path / INDEX).write_text(json.dumps(index | {"format": 4}))
    with pytest.raises(ConfigError, match="format is 4; supported are 1 and 2 and 3"):
        read_index(tmp_path / INDEX)


def test_shards_of_format_2_without_views_train_as_before(tmp_path: Path, weights: Path) -> None:
    writer = ShardWriter(FolderStorage(tmp_path), index_of(weights))
    fill(writer, "ab")
    [shard] = writer.close().shards
    index = json.loads((tmp_path / INDEX).read_text())
    clips = [{key: one[key] for key in one if key != "views"} for one in index["clips"]]
    (tmp_path / INDEX).write_text(json.dumps(index | {"format": 2, "clips": clips}))
    stored = load_file(tmp_path / shard)

    batch = open_clips(tmp_path, weights, 1).sample(draw_samples(0, 0, range(8)))

    for rng, latents in zip(
        numpy_generators(draw_samples(0, 0, range(8))), batch.latents, strict=True
    ):
        clip, (_, target) = "ab"[rng.integers(2)], rng.choice(FRAMES, 2, replace=False)
        assert torch.equal(latents[:, 0], stored[f"{clip}/latents"][target].float())


@pytest.mark.parametrize("is_flipped", [False, True])
def test_a_crop_of_a_clip_moves_its_poses(tmp_path: Path, weights: Path, is_flipped: bool) -> None:
    scene = sample_scene(3, FRAMES, SIZE)
    bodies = list(scene.source.poses(scene.motion))
    frames, hands = [scene.source.draw(pose)[0] for pose in bodies], poses(0)
    full = [
        replace(body, hand_left=hand.hand_left, hand_right=hand.hand_right, face=hand.face)
        for body, hand in zip(bodies, hands, strict=True)
    ]
    crop, region = Crop(0.9, 0.3, 0.8, is_flipped), Region(10, 4, 110, 110)
    prepared = PreparedClip(
        "a", "train", "a", 0, 12.0, full, [region] * FRAMES, (64, 64), [Crop(), crop]
    )
    index, codec = index_of(weights), load_codec(tiny_preset(), weights)
    shards = ShardWriter(FolderStorage(tmp_path), replace(index, size=64))
    writer = ShardClipWriter(shards, codec)
    writer.add(prepared, frames)
    writer.close()

    clips = open_clips(tmp_path, weights, FRAMES)
    row = clips.read(clips.clips[0], 0, 0, view=1)

    cut = [crop.cut(frame, region, (64, 64)) for frame in frames]
    with torch.no_grad():
        encoded = codec.encode(to_images(np.stack(cut))).half().float()
    assert torch.equal(row.latents[0].transpose(0, 1), encoded)
    assert torch.equal(row.sources, encoded[:1])
    shown = row.drawn_poses[0].permute(1, 2, 3, 0).numpy()
    moved = [crop.move(pose, region, (64, 64)) for pose in full]
    assert np.mean(shown != draw_poses(moved)) < 0.001  # float32 is rounded
    found = build_detector("puppet").detect(np.stack(cut))
    distance = [
        np.linalg.norm(one[0].keypoints - pose.keypoints, axis=1)[one[0].detected].mean()
        for one, pose in zip(found, moved, strict=True)
    ]
    assert np.mean(distance) < 2.5  # left and right are where the detector sees them
    assert (moved[0].hand_left is None) == (full[0].hand_right is None)
    if is_flipped:
        left = crop.move(replace(full[0], hand_right=None), region, (64, 64))
        assert left.hand_left is None and left.hand_right is not None


class FailingStorage(FolderStorage):
    """A storage that fails when the index is written."""

    def put(self, name: str, file: Path) -> None:
        if name == INDEX:
            raise StorageError("the disk is full")
        super().put(name, file)


def test_a_set_of_shards_is_replaced_atomically(tmp_path: Path, weights: Path) -> None:
    config = ShardData(str(tmp_path))
    first = ShardWriter(FolderStorage(tmp_path), index_of(weights), shard_bytes=1)
    fill(first, "ab")
    before = first.close()
    assert len(before.shards) == 2 and before.clips[0].shard != before.clips[1].shard

    second = ShardWriter(FailingStorage(tmp_path), index_of(weights), shard_bytes=1)
    fill(second, "abc", seed=7)
    with pytest.raises(StorageError):
        second.close()
    assert read_index(tmp_path / INDEX) == before
    fetch_shards(config)

    third = ShardWriter(FolderStorage(tmp_path), index_of(weights), shard_bytes=1)
    fill(third, "abc", seed=9)
    after = third.close()
    fetch_shards(config)
    assert set(FolderStorage(tmp_path).names()) == {INDEX, *after.shards}


def test_a_duplicate_clip_name_is_rejected(tmp_path: Path, weights: Path) -> None:
    writer = ShardWriter(FolderStorage(tmp_path), index_of(weights))
    with pytest.raises(ParameterError, match="clip 'a' was already added"):
        fill(writer, "aa")


def test_damaged_local_shards_are_rejected_before_training(
    tmp_path: Path, weights: Path, runs: TinyRuns
) -> None:
    writer = ShardWriter(FolderStorage(tmp_path), index_of(weights))
    fill(writer, "a")
    [shard] = writer.close().shards
    config = runs.config("stage1", data=None, shards=ShardData(str(tmp_path)))
    fetch_shards(config)

    with (tmp_path / shard).open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"xyz")
    with pytest.raises(StorageError, match=f"{shard} is missing or damaged"):
        fetch_shards(config)
    (tmp_path / shard).unlink()
    with pytest.raises(StorageError, match="is missing or damaged"):
        fetch_shards(config)
