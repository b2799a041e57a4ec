"""Clips from prepared shards: stored latents, and pose maps drawn on demand."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from media.digest import file_sha256
from tcan_core.errors import ConfigError, StorageError
from tcan_core.models.weights.part_files import PartFolders, find_part
from tcan_core.models.weights.presets import Preset
from tcan_core.training.batches import (
    ClipBatch,
    choose_examples,
    choose_frames,
    choose_size,
    frames_around,
)
from tcan_core.training.config import ShardData
from tcan_core.training.open_storage import open_storage
from tcan_core.training.pose_augmentation import (
    Errors,
    PoseAugmentation,
    draw_targets,
    errors_of,
)
from tcan_core.training.prepare.crops import Size
from tcan_core.training.samples import Samples, numpy_generators
from tcan_core.training.shards import (
    INDEX,
    ClipEntry,
    ShardIndex,
    as_poses,
    latents_key,
    read_index,
)
from tcan_core.training.sheets import as_pictures
from tcan_core.training.storage import OpenStorage, checked_name

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec

_DECODE_BATCH = 8  # a full-size image takes gigabytes to decode


class ShardClips:
    """Source and consecutive target frames drawn from prepared clips.

    A single target frame (stage 1) always differs from its source. Clips that are too short are
    left out. All images of a row are of one view: the whole images, or one crop of them.
    """

    def __init__(
        self,
        data: ShardData,
        num_frames: int,
        preset: Preset,
        parts: PartFolders,
        augmentation: PoseAugmentation | None = None,
    ) -> None:
        """Open the index.

        Raises:
            ConfigError: there is no index or no usable clip, or another autoencoder made the data.
        """
        self.folder, self.num_frames = local_folder(data), num_frames
        self.augmentation = augmentation
        self.index = read_index(self.folder / INDEX)
        _check_codec(self.index, self.folder, preset, parts)
        self.clips = usable_clips(data, num_frames)
        if not self.clips:
            raise ConfigError(
                f"{self.folder}: none of the {len(self.index.of_split(data.split))} clips of split "
                f"{data.split!r} has at least {_min_frames(num_frames)} frames"
            )
        self.buckets: dict[Size, list[ClipEntry]] = {}
        for clip in self.clips:
            self.buckets.setdefault(self.index.size_of(clip), []).append(clip)

    def sample(self, samples: Samples) -> ClipBatch:
        """Draw one row per sample."""
        errors = errors_of(self.augmentation, samples)
        clips = self.buckets[choose_size(samples, self.sizes)]
        return _stack(
            [self._draw(clips, *one) for one in zip(numpy_generators(samples), errors, strict=True)]
        )

    def __len__(self) -> int:
        return len(self.clips)

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `sample` draws for each sample."""
        clips = self.buckets[choose_size(samples, self.sizes)]
        return [_choose(rng, clips).name for rng in numpy_generators(samples)]

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of clips of each size of images, (height, width) in pixels."""
        return {size: len(clips) for size, clips in self.buckets.items()}

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return a batch for sample sheets, and its images, (count, 1 + f, height, width, 3).

        Clips and frames are chosen as those of `FolderClips`. The images are decoded latents and
        have the autoencoder's quality.
        """
        clips = max(self.buckets.values(), key=len)
        lengths = [clip.frames for clip in clips]
        rows = [
            self.read(clips[index], source, first)
            for index, source, first in choose_examples(lengths, self.num_frames, count)
        ]
        pictures = [torch.cat([row.sources[:, :, None], row.latents], dim=2)[0] for row in rows]
        return _stack(rows), np.stack([_decode(codec, one.transpose(0, 1)) for one in pictures])

    def _draw(self, clips: list[ClipEntry], rng: np.random.Generator, errors: Errors) -> ClipBatch:
        clip = _choose(rng, clips)
        source, first = choose_frames(rng, clip.frames, self.num_frames)
        view = int(rng.integers(len(clip.views) + 1)) if clip.views else 0
        return self.read(clip, source, first, view, errors)

    def read(
        self, clip: ClipEntry, source: int, first: int, view: int = 0, errors: Errors = list
    ) -> ClipBatch:
        """Return a row of a clip.

        Args:
            source: index of the source frame.
            first: index of the first target frame.
            view: 0 for the whole images, n for the clip's n-th view.
            errors: puts errors into the poses.
        """
        last = first + self.num_frames
        around = frames_around(first, last, clip.frames)
        # The file is memory-mapped; only the requested frames are read.
        with safe_open(self.folder / clip.shard, framework="pt") as shard:
            latents = shard.get_slice(latents_key(clip.name, view))
            sources, targets = latents[source : source + 1].float(), latents[first:last].float()
            parts = ("body", "hands", "face") if self.index.has_faces else ("body", "hands")
            body, hands, *face = (shard.get_slice(f"{clip.name}/{part}")[around] for part in parts)
        poses = as_poses(body, hands, face[0] if face else None, self.index.size_of(clip))
        if view:
            poses = [clip.views[view - 1].move(pose) for pose in poses]
        drawn = draw_targets(errors(poses)[first - around.start :][: self.num_frames])
        return ClipBatch(sources, targets.transpose(0, 1)[None], drawn[None])


def usable_clips(data: ShardData, num_frames: int) -> list[ClipEntry]:
    """Return the clips of a split that are long enough; separate pictures serve single targets.

    Raises:
        ConfigError: there is no index.
    """
    clips = read_index(local_folder(data) / INDEX).of_split(data.split)
    in_time = [clip for clip in clips if clip.fps or num_frames == 1]
    return [clip for clip in in_time if clip.frames >= _min_frames(num_frames)]


def local_folder(data: ShardData) -> Path:
    """Return the local folder of the shards: their own, or the cache of a remote address."""
    if "://" not in data.root:
        return Path(data.root)
    key = hashlib.sha256(data.root.encode()).hexdigest()[:12]
    return Path(data.cache) / f"shards-{key}"


def fetch_shards(settings: Any, open_remote: OpenStorage = open_storage) -> None:
    """Download the remote shards that a stage's configuration names into its cache.

    Every epoch reads all shards in random order, so they are downloaded before training starts.
    The sha256 of every shard is checked here, local ones included; training does not check again.

    Raises:
        ConfigError: a folder holds no prepared data.
        StorageError: the storage is unavailable, or a shard is missing or damaged.
    """
    # Training and validation are usually splits of one set, which is checked once.
    for data in {local_folder(data): data for data in _shard_data(settings)}.values():
        _fetch(data, open_remote)


def _shard_data(settings: Any) -> list[ShardData]:
    """Return every `ShardData` of a configuration, at any depth."""
    if isinstance(settings, ShardData):
        return [settings]
    if not dataclasses.is_dataclass(settings):
        return []
    values = [getattr(settings, each.name) for each in dataclasses.fields(settings)]
    return [data for value in values for data in _shard_data(value)]


def _fetch(data: ShardData, open_remote: OpenStorage) -> None:
    folder = local_folder(data)
    storage = open_remote(data.root) if "://" in data.root else None
    if storage is not None and not storage.fetch(INDEX, folder / INDEX):
        raise StorageError(f"{data.root}: {INDEX} does not exist; run `tcan data prepare` first")
    for name, digest in read_index(folder / INDEX).shards.items():
        file = folder / checked_name(name)
        if file.exists() and file_sha256(file) == digest:
            continue
        fetched = storage is not None and storage.fetch(name, file)
        if not fetched or file_sha256(file) != digest:
            raise StorageError(
                f"{data.root}: {name} is missing or damaged (expected sha256 {digest}); "
                "prepare the data again"
            )


def damaged_shards(folder: Path) -> list[str]:
    """Return the shards of a local folder that are missing or have another digest."""
    return [
        name
        for name, digest in read_index(folder / INDEX).shards.items()
        if not (file := folder / checked_name(name)).exists() or file_sha256(file) != digest
    ]


def _min_frames(num_frames: int) -> int:
    """Return the minimum length of a clip; a single target needs another frame as its source."""
    return num_frames + (num_frames == 1)


def _check_codec(index: ShardIndex, folder: Path, preset: Preset, parts: PartFolders) -> None:
    digest = file_sha256(find_part(preset, "vae", parts))
    if digest != index.vae_sha256:
        raise ConfigError(
            f"{folder}: the data was made with autoencoder {index.vae_sha256[:12]}, but this run "
            f"uses {digest[:12]}; prepare the data again"
        )


def _choose(rng: np.random.Generator, clips: list[ClipEntry]) -> ClipEntry:
    return clips[rng.integers(len(clips))]


def _decode(codec: ImageCodec, latents: Tensor) -> NDArray[np.uint8]:
    device = next(codec.parameters()).device
    parts = torch.split(latents, _DECODE_BATCH)
    with torch.no_grad():
        return as_pictures(torch.cat([codec.decode(part.to(device)) for part in parts]))


def _stack(rows: list[ClipBatch]) -> ClipBatch:
    return ClipBatch(*(torch.cat(parts) for parts in zip(*rows, strict=True)))
