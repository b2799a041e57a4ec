"""Sharded files of encoded clips: safetensors, and an index in JSON.

`index.json` names every clip, with the shard that holds it; a shard holds for each clip

    <clip>/latents  (frames, channels, h, w) float16, unit variance
    <clip>/body     (frames, 18, 3) float32: x, y in pixels of the clip's square, confidence
    <clip>/hands    (frames, 2, 21, 3) float32, likewise, left and right; confidence 0: not seen
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from tcan_core.conditioning.keypoints import NUM_HAND_JOINTS, Pose
from tcan_core.config import build
from tcan_core.errors import ConfigError
from tcan_core.models.store import file_sha256
from tcan_core.training.storage import Storage

INDEX = "index.json"
FORMAT = 1
SHARD_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class ClipEntry:
    """A clip: where it lies, and where it is from.

    Attributes:
        split: "train" or "validation".
        video: the file's path under the folder that was prepared.
        first_frame: of the clip in its video.
    """

    name: str
    shard: str
    frames: int
    split: str
    video: str
    first_frame: int
    fps: float


@dataclass(frozen=True)
class ShardIndex:
    """What a folder of shards holds.

    Attributes:
        size: side of the clips' pictures in pixels.
        vae_sha256: of the weights that made the latents.
        shards: the sha256 of each file.
    """

    size: int
    vae_sha256: str
    detector: str
    shards: dict[str, str] = field(default_factory=dict)
    clips: tuple[ClipEntry, ...] = ()
    format: int = FORMAT

    def of_split(self, split: str) -> list[ClipEntry]:
        """Return the clips of a split, in order."""
        return [clip for clip in self.clips if clip.split == split]


def read_index(path: Path) -> ShardIndex:
    """Read the index of a folder of shards.

    Raises:
        ConfigError: there is none, or it is not one of this program.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no prepared data; `tcan data prepare` makes it from videos"
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON ({error})") from error
    index: ShardIndex = build(ShardIndex, content, str(path))
    if index.format != FORMAT:
        raise ConfigError(f"{path}: format is {index.format}; this program reads {FORMAT}")
    return index


class ShardWriter:
    """Writes clips into shards of about `shard_bytes`; the index comes last, with `close`."""

    def __init__(self, storage: Storage, index: ShardIndex, shard_bytes: int = SHARD_BYTES) -> None:
        self._storage, self._shard_bytes = storage, shard_bytes
        self._index, self._clips = index, list[ClipEntry]()
        self._tensors: dict[str, Tensor] = {}
        self._shards: dict[str, str] = {}

    def add(self, latents: Tensor, poses: list[Pose], **entry: Any) -> ClipEntry:
        """Add a clip.

        Args:
            latents: (frames, channels, h, w), unit variance.
            poses: one for each frame, on the clip's square.
            entry: the other fields of `ClipEntry`.
        """
        shard = f"shard-{len(self._shards):05d}.safetensors"
        clip = ClipEntry(shard=shard, frames=len(latents), **entry)
        self._tensors[f"{clip.name}/latents"] = latents.half().contiguous()
        self._tensors[f"{clip.name}/body"] = torch.from_numpy(_body(poses))
        self._tensors[f"{clip.name}/hands"] = torch.from_numpy(_hands(poses))
        self._clips.append(clip)
        if sum(tensor.nbytes for tensor in self._tensors.values()) >= self._shard_bytes:
            self._end_shard()
        return clip

    def close(self) -> ShardIndex:
        """Write the last shard and the index, and return it."""
        if self._tensors:
            self._end_shard()
        content = asdict(self._index) | {
            "shards": self._shards,
            "clips": [asdict(clip) for clip in self._clips],
        }
        put_text(self._storage, INDEX, json.dumps(content, indent=1))
        index: ShardIndex = build(ShardIndex, json.loads(json.dumps(content)), INDEX)
        return index

    def _end_shard(self) -> None:
        name = f"shard-{len(self._shards):05d}.safetensors"
        with TemporaryDirectory() as folder:
            file = Path(folder) / name
            save_file(self._tensors, file)
            self._storage.put(name, file)
            self._shards[name] = file_sha256(file)
        self._tensors = {}


def put_text(storage: Storage, name: str, text: str) -> None:
    """Store a small file of text."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "text"
        file.write_text(text, encoding="utf-8")
        storage.put(name, file)


def as_poses(body: Tensor, hands: Tensor, size: int) -> list[Pose]:
    """Return the poses of frames, from (frames, 18, 3) and (frames, 2, 21, 3)."""
    points, both = body.double().numpy(), hands.double().numpy()
    return [
        Pose(
            joints[:, :2],
            joints[:, 2],
            (size, size),
            hand_left=_seen(left),
            hand_right=_seen(right),
        )
        for joints, (left, right) in zip(points, both, strict=True)
    ]


def _seen(hand: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return hand if (hand[:, 2] > 0).any() else None


def _body(poses: Iterable[Pose]) -> NDArray[np.float32]:
    joints = [np.concatenate([p.keypoints, p.confidence[:, None]], axis=1) for p in poses]
    return np.stack(joints).astype(np.float32)


def _hands(poses: Iterable[Pose]) -> NDArray[np.float32]:
    none = np.zeros((NUM_HAND_JOINTS, 3))
    both = [[p.hand_left, p.hand_right] for p in poses]
    return np.stack(
        [np.stack([none if hand is None else hand for hand in pair]) for pair in both]
    ).astype(np.float32)
