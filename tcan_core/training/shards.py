"""Shards of encoded clips: safetensors files and an index in JSON.

`index.json` lists every clip and the shard that holds it. A shard's name contains the hash of its
content, so one set never overwrites a shard of another. For each clip it holds

    <clip>/latents    (frames, channels, h, w) float16, unit variance: the whole images
    <clip>/latents.1  the same of the clip's first view, then .2 and so on; since format 3
    <clip>/body       (frames, 18, 3) float32: x, y in pixels of the whole images, confidence
    <clip>/hands      (frames, 2, 21, 3) float32: left and right hand; confidence 0 if not detected
    <clip>/face       (frames, 70, 3) float32; since format 2
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from media.digest import file_sha256
from media.poses.joints import NUM_FACE_JOINTS, NUM_HAND_JOINTS
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import detected_or_none
from tcan_core.config import build
from tcan_core.errors import ConfigError, ParameterError
from tcan_core.training.prepare.crops import mirrored, move_pose
from tcan_core.training.storage import Storage

INDEX = "index.json"
FORMAT = 3
READ_FORMATS = (1, 2, FORMAT)  # format 1 has no faces, formats 1 and 2 have no views
SHARD = "shard-"
SHARD_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class View:
    """A part of a clip's images with latents of its own, in pixels of the whole images.

    Latents cannot be cropped or mirrored in training as images are, so each crop is encoded.
    """

    left: float
    top: float
    width: float
    height: float
    is_flipped: bool = False

    def move(self, pose: Pose) -> Pose:
        """Return a pose of the whole images as it is in the view, on a canvas of the same size."""
        moved = move_pose(pose, (self.left, self.top, self.width, self.height), pose.canvas)
        return mirrored(moved) if self.is_flipped else moved


@dataclass(frozen=True)
class ClipEntry:
    """A clip: its shard and its origin.

    Attributes:
        split: "train" or "validation".
        video: path of the video, or folder of images, relative to the prepared folder.
        first_frame: index of the clip's first frame in its video.
        fps: frames per second; 0 for separate pictures.
        size: (height, width) of its images in pixels; None for a square of the index's size.
        views: parts of the images with latents of their own, besides the whole images.
    """

    name: str
    shard: str
    frames: int
    split: str
    video: str
    first_frame: int
    fps: float
    size: tuple[int, int] | None = None
    views: tuple[View, ...] = ()


@dataclass(frozen=True)
class ShardIndex:
    """The index of a folder of shards.

    Attributes:
        size: side of the images of clips without a size of their own, in pixels.
        vae_sha256: sha256 of the autoencoder's weights that made the latents.
        shards: sha256 of each shard, by file name.
    """

    size: int
    vae_sha256: str
    detector: str
    shards: dict[str, str] = field(default_factory=dict)
    clips: tuple[ClipEntry, ...] = ()
    format: int = FORMAT

    @property
    def has_faces(self) -> bool:
        """True if the shards contain face keypoints."""
        return self.format >= 2

    def size_of(self, clip: ClipEntry) -> tuple[int, int]:
        """Return the (height, width) of a clip's images in pixels."""
        return clip.size or (self.size, self.size)

    def of_split(self, split: str) -> list[ClipEntry]:
        """Return the clips of a split, in order."""
        return [clip for clip in self.clips if clip.split == split]


def read_index(path: Path) -> ShardIndex:
    """Read the index of a folder of shards.

    Raises:
        ConfigError: the index is missing, damaged or of an unsupported format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: file not found; prepare the data with `tcan data prepare`"
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON ({error})") from error
    index: ShardIndex = build(ShardIndex, content, str(path))
    if index.format not in READ_FORMATS:
        supported = " and ".join(map(str, READ_FORMATS))
        raise ConfigError(f"{path}: format is {index.format}; supported are {supported}")
    return index


class ShardWriter:
    """Writer of clips into shards of about `shard_bytes`.

    An existing set in the storage stays complete until `close`, which writes the new index and then
    removes the shards that it does not list.
    """

    def __init__(self, storage: Storage, index: ShardIndex, shard_bytes: int = SHARD_BYTES) -> None:
        self._storage, self._shard_bytes = storage, shard_bytes
        self._index, self._clips = index, dict[str, ClipEntry]()
        self._tensors: dict[str, Tensor] = {}
        self._shards: dict[str, str] = {}

    def add(
        self,
        latents: Tensor,
        poses: list[Pose],
        views: Sequence[tuple[View, Tensor]] = (),
        **entry: Any,
    ) -> None:
        """Add a clip.

        Args:
            latents: (frames, channels, h, w), unit variance.
            poses: one per frame, in pixels of the whole images.
            size: (height, width) of its images in pixels; None for a square of the index's size.
        views: parts of the images with their latents.
            entry: the other fields of `ClipEntry`, except `shard`.

        Raises:
            ParameterError: a clip of this name was already added.
        """
        parts = tuple(view for view, _ in views)
        square, canvas = (self._index.size, self._index.size), poses[0].canvas
        size = None if canvas == square else canvas
        clip = ClipEntry(shard="", frames=len(latents), size=size, views=parts, **entry)
        if clip.name in self._clips:
            raise ParameterError(f"clip {clip.name!r} was already added; clip names must be unique")
        self._clips[clip.name] = clip
        self._tensors |= {
            latents_key(clip.name, number): of_view.half().contiguous()
            for number, of_view in enumerate([latents, *(of_view for _, of_view in views)])
        }
        self._tensors |= {
            f"{clip.name}/body": torch.from_numpy(_body(poses)),
            f"{clip.name}/hands": torch.from_numpy(_hands(poses)),
            f"{clip.name}/face": torch.from_numpy(
                _parts([pose.face for pose in poses], NUM_FACE_JOINTS)
            ),
        }
        if sum(tensor.nbytes for tensor in self._tensors.values()) >= self._shard_bytes:
            self._end_shard()

    def close(self) -> ShardIndex:
        """Write the last shard and the index, remove other shards, and return the index."""
        if self._tensors:
            self._end_shard()
        content = asdict(self._index) | {
            "shards": self._shards,
            "clips": [asdict(clip) for clip in self._clips.values()],
        }
        put_text(self._storage, INDEX, json.dumps(content, indent=1))
        for name in self._storage.names(SHARD):
            if name not in self._shards:
                self._storage.remove(name)
        index: ShardIndex = build(ShardIndex, json.loads(json.dumps(content)), INDEX)
        return index

    def _end_shard(self) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "shard"
            save_file(self._tensors, file)
            digest = file_sha256(file)
            shard = f"{SHARD}{digest[:16]}.safetensors"
            self._storage.put(shard, file)
        self._shards[shard] = digest
        for name, clip in self._clips.items():
            if not clip.shard:
                self._clips[name] = replace(clip, shard=shard)
        self._tensors = {}


def latents_key(clip: str, view: int) -> str:
    """Return the name of a clip's latents in its shard; view 0 is the whole images."""
    return f"{clip}/latents.{view}" if view else f"{clip}/latents"


def put_text(storage: Storage, name: str, text: str) -> None:
    """Store a small text file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "text"
        file.write_text(text, encoding="utf-8")
        storage.put(name, file)


def as_poses(body: Tensor, hands: Tensor, face: Tensor | None, size: tuple[int, int]) -> list[Pose]:
    """Return one pose per frame.

    Args:
        body: (frames, 18, 3): x, y in pixels, confidence.
        hands: (frames, 2, 21, 3) in the same units.
        face: (frames, 70, 3) in the same units; None for shards without faces.
        size: (height, width) of the images in pixels.
    """
    points, both = body.double().numpy(), hands.double().numpy()
    faces = [None] * len(points) if face is None else list(face.double().numpy())
    return [
        Pose(
            joints[:, :2],
            joints[:, 2],
            size,
            hand_left=detected_or_none(left),
            hand_right=detected_or_none(right),
            face=None if face_points is None else detected_or_none(face_points),
        )
        for joints, (left, right), face_points in zip(points, both, faces, strict=True)
    ]


def _body(poses: Iterable[Pose]) -> NDArray[np.float32]:
    joints = [np.concatenate([p.keypoints, p.confidence[:, None]], axis=1) for p in poses]
    return np.stack(joints).astype(np.float32)


def _hands(poses: Sequence[Pose]) -> NDArray[np.float32]:
    left, right = (
        _parts([getattr(pose, side) for pose in poses], NUM_HAND_JOINTS)
        for side in ("hand_left", "hand_right")
    )
    return np.stack([left, right], axis=1)


def _parts(parts: Sequence[NDArray[np.float64] | None], joints: int) -> NDArray[np.float32]:
    """Return (frames, joints, 3), with zeros for missing parts."""
    none = np.zeros((joints, 3))
    return np.stack([none if part is None else part for part in parts]).astype(np.float32)
