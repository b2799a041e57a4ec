"""The pose cache: each frame is embedded once per video, with identical results."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tcan_core.models.caches.pose_cache import PoseCache, install_pose_cache

FRAME_BYTES = 4 * 4 * 4 * 4  # 4 channels of 4x4 in float32


class Embedding(nn.Module):
    """A convolution that counts the embedded pose maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.embedded = 0

    def forward(self, pose_maps: Tensor) -> Tensor:
        self.embedded += len(pose_maps)
        features: Tensor = self.convolution(pose_maps)
        return features


@pytest.fixture
def maps() -> Tensor:
    return torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def embed(cache: PoseCache, maps: Tensor, frames: list[int]) -> Tensor:
    cache.frames = frames
    features: Tensor = cache(maps[frames])
    return features


def test_cached_pose_features_equal_the_embedding(maps: Tensor) -> None:
    embedding = Embedding()
    cache = PoseCache(embedding, max_bytes=6 * FRAME_BYTES)
    cache.begin(6)
    with torch.no_grad():
        expected = embedding.convolution(maps)
        single = torch.cat([embedding.convolution(pose_map[None]) for pose_map in maps])
    for frames in ([0, 1, 2, 3], [2, 3, 4, 5], [0, 1, 2, 3], [5, 0]):
        features = embed(cache, maps, frames)
        assert torch.equal(features, single[frames])
        torch.testing.assert_close(features, expected[frames])


def test_each_frame_is_embedded_once_within_the_cache_bound(maps: Tensor) -> None:
    embedding = Embedding()
    cache = PoseCache(embedding)
    cache.begin(6)
    for _ in range(3):
        embed(cache, maps, [0, 1, 2, 3])
        embed(cache, maps, [2, 3, 4, 5])
    measured = 1  # one frame is embedded to measure its size
    assert embedding.embedded == 6 + measured
    cache.begin(6)
    embed(cache, maps, [0, 1])
    assert embedding.embedded == 8 + 2 * measured


def test_a_video_beyond_the_cache_bound_is_not_cached(maps: Tensor) -> None:
    embedding = Embedding()
    cache = PoseCache(embedding, max_bytes=5 * FRAME_BYTES)
    cache.begin(6)
    for _ in range(2):
        features = embed(cache, maps, [0, 1, 2])
        torch.testing.assert_close(features, embedding.convolution(maps[:3]))
    assert embedding.embedded == 6 + 1
    cache.begin(5)
    for _ in range(2):
        embed(cache, maps, [0, 1, 2])
    assert embedding.embedded == 6 + 1 + 3 + 1


def test_without_frame_indices_nothing_is_cached(maps: Tensor) -> None:
    embedding = Embedding()
    cache = PoseCache(embedding)
    for _ in range(2):
        cache(maps)
    assert embedding.embedded == 12


def test_a_controlnet_gets_one_pose_cache(maps: Tensor) -> None:
    controlnet = nn.Module()
    controlnet.controlnet_cond_embedding = Embedding()
    cache = install_pose_cache(controlnet)
    cache.frames = [0]
    assert install_pose_cache(controlnet) is cache
    assert controlnet.get_submodule("controlnet_cond_embedding") is cache
    assert cache.frames is None
