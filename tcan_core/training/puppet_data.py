"""Pictures and poses of puppets in memory-mapped files, drawn once for all stages."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.poses.joints import NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.errors import ConfigError
from tcan_core.puppets.world import FIRST_TEST_SEED, WORLD_VERSION, sample_scene
from tcan_core.training.config import PuppetData

MOTION_FRAMES = 48
_CHUNK = 64

_Drawn = tuple[NDArray[np.uint8], NDArray[np.float32]]  # images and keypoints of a character


@dataclass(frozen=True)
class PuppetPictures:
    """Images of puppets, `frames` per character; image 0 shows it standing, as a source does.

    Attributes:
        images: (characters, frames, size, size, 3) uint8 RGB.
        keypoints: (characters, frames, 18, 2) float32, pixels.
        folder: of the files that both are mapped from.
    """

    images: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    folder: Path

    def __len__(self) -> int:
        return len(self.images)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process maps the files itself."""
        return _open, (self.folder,)


def load_puppets(data: PuppetData) -> PuppetPictures:
    """Open the cached images; draw them first if the cache is empty (about 2,000 per second).

    Raises:
        ConfigError: seeds overlap those reserved for tests, or `frames` exceeds a motion's length.
    """
    if not 1 <= data.frames <= MOTION_FRAMES + 1:
        raise ConfigError(f"frames is {data.frames}; it must be in 1..{MOTION_FRAMES + 1}")
    if data.first_seed + data.characters > FIRST_TEST_SEED:
        raise ConfigError(
            f"first_seed + characters is {data.first_seed + data.characters}; "
            f"training seeds must be below {FIRST_TEST_SEED}"
        )
    folder = cache_folder(data)
    if not (folder / "done").exists():
        _draw_all(data, folder)
    return _open(folder)


def _open(folder: Path) -> PuppetPictures:
    images, keypoints = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "keypoints")
    )
    return PuppetPictures(images, keypoints, folder)


def cache_folder(data: PuppetData) -> Path:
    """Return the cache folder of these characters, sizes and frames."""
    described = asdict(data) | {"cache": "", "world": WORLD_VERSION}
    key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
    return Path(data.cache) / f"puppets-{key}"


def to_images(pictures: NDArray[np.uint8]) -> Tensor:
    """Convert (batch, height, width, 3) uint8 to (batch, 3, height, width) float, -1..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_poses(keypoints: NDArray[np.float32], size: int) -> list[Pose]:
    """Return the poses of (frames, 18, 2) keypoints, all detected, on a square canvas."""
    detected = np.ones(NUM_JOINTS)
    return [Pose(joints.astype(np.float64), detected, (size, size)) for joints in keypoints]


def to_pose_maps(keypoints: NDArray[np.float32], size: int) -> Tensor:
    """Draw (batch, 18, 2) keypoints, all detected, as pose maps (batch, 3, size, size) in 0..1."""
    maps = draw_poses(to_poses(keypoints, size))
    return torch.from_numpy(maps).permute(0, 3, 1, 2).float() / 255


def _draw_all(data: PuppetData, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shape = (data.characters, data.frames)
    images = np.lib.format.open_memmap(
        folder / "images.npy", mode="w+", dtype=np.uint8, shape=(*shape, data.size, data.size, 3)
    )
    keypoints = np.lib.format.open_memmap(
        folder / "keypoints.npy", mode="w+", dtype=np.float32, shape=(*shape, NUM_JOINTS, 2)
    )
    started = time.monotonic()
    jobs = [(data, index) for index in range(data.characters)]
    with _mapper(data.characters) as draw:
        for index, (drawn, joints) in enumerate(draw(_draw_character, jobs)):
            images[index], keypoints[index] = drawn, joints
    images.flush()
    keypoints.flush()
    (folder / "done").write_text(f"{time.monotonic() - started:.1f} s\n")


@contextmanager
def _mapper(characters: int) -> Iterator[Callable[..., Iterable[_Drawn]]]:
    """Yield a `map` over all processors, or over this process if there is little work."""
    if characters <= _CHUNK:
        yield map
    else:
        with get_context("spawn").Pool() as pool:
            yield partial(pool.imap, chunksize=_CHUNK)


def _draw_character(job: tuple[PuppetData, int]) -> _Drawn:
    data, index = job
    seed = data.first_seed + index
    scene = sample_scene(seed, MOTION_FRAMES, data.size)
    rng = np.random.default_rng([seed, 1])
    count = data.frames - 1
    if data.consecutive:
        chosen = int(rng.integers(MOTION_FRAMES - count + 1)) + np.arange(count)
    else:
        chosen = rng.choice(MOTION_FRAMES, count, replace=False)
    motion_poses = scene.source.poses(scene.motion)
    poses = [scene.source_pose, *(motion_poses[frame] for frame in chosen)]
    images = np.stack([scene.source.draw(pose)[0] for pose in poses])
    return images, np.stack([pose.keypoints for pose in poses]).astype(np.float32)
