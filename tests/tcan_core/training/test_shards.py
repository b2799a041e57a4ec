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
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.errors import ConfigError, ParameterError, StorageError
from tcan_core.models.weights.loading import find_part, load_codec
from tcan_core.training.config import ShardData
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


def maps_of(folder: Path, weights: Path) -> NDArray[np.uint8]:
    """Return the skeletons of the first clip, (frames, height, width, 3)."""

    preset = tiny_preset()
    data = ShardData(str(folder))
    clips = ShardClips(data, FRAMES, preset, weights)
    batch, _ = clips.examples(1, load_codec(preset, weights))
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

    (tmp_path / INDEX).write_text(json.dumps(index | {"format": 3}))
    with pytest.raises(ConfigError, match="format is 3; supported are 1 and 2"):
        read_index(tmp_path / INDEX)


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
