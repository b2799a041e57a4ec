"""Puppet images as latents, encoded once with the trained autoencoder and cached in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.digest import file_sha256
from tcan_core.models.weights.part_files import PartFolders, find_part
from tcan_core.models.weights.presets import Preset
from tcan_core.training.batches import ClipBatch, check_size
from tcan_core.training.config import PuppetData
from tcan_core.training.pose_augmentation import Errors, draw_targets
from tcan_core.training.prepare.crops import Size
from tcan_core.training.puppet_data import (
    PuppetPictures,
    cache_folder,
    load_puppets,
    to_images,
    to_pose_maps,
    to_poses,
)

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec

_ENCODE_BATCH = 128


@dataclass(frozen=True)
class PuppetLatents:
    """Characters as latents and keypoints; image 0 of each shows it standing.

    Attributes:
        latents: (characters, frames, channels, h, w) float16, unit variance.
        pictures: pixels and keypoints of the same characters.
        file: the file that the latents are from.
    """

    latents: NDArray[np.float16]
    pictures: PuppetPictures
    file: Path

    def __len__(self) -> int:
        return len(self.latents)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the file itself."""
        return _open, (self.file, self.pictures)

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of characters of each size of images, (height, width) in pixels."""
        height, width = self.pictures.images.shape[2:4]
        return {(height, width): len(self)}

    def batch(
        self, characters: NDArray[np.int64], frames: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Return latents (batch, channels, h, w) and pose maps (batch, 3, height, width)."""
        latents = torch.from_numpy(self.latents[characters, frames]).float()
        size = self.pictures.images.shape[2]
        return latents, to_pose_maps(self.pictures.keypoints[characters, frames], size)

    def clips(
        self,
        characters: NDArray[np.int64],
        sources: NDArray[np.int64],
        frames: NDArray[np.int64],
        errors: Sequence[Errors],
    ) -> ClipBatch:
        """Return the batch of characters (b,), source frames (b,) and target frames (b, f).

        Args:
            errors: puts a row's errors into its poses, one function per row.
        """
        targets = self.latents[characters[:, None], frames]
        keypoints = self.pictures.keypoints[characters[:, None], frames]
        size = self.pictures.images.shape[2]
        poses = [change(to_poses(one, size)) for change, one in zip(errors, keypoints, strict=True)]
        return ClipBatch(
            torch.from_numpy(self.latents[characters, sources]).float(),
            torch.from_numpy(targets).float().transpose(1, 2),
            torch.stack([draw_targets(one) for one in poses]),
        )


def load_latents(
    data: PuppetData, preset: Preset, parts: PartFolders, codec: ImageCodec
) -> PuppetLatents:
    """Open the cached latents; encode the images first if the cache is empty."""
    check_size(data.size, codec.factor)
    pictures = load_puppets(data)
    weights = file_sha256(find_part(preset, "vae", parts))[:12]
    path = cache_folder(data) / f"latents-{weights}.npy"
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        np.save(partial, _encode(pictures, codec.eval()))
        partial.replace(path)
    return _open(path, pictures)


def _open(file: Path, pictures: PuppetPictures) -> PuppetLatents:
    return PuppetLatents(np.load(file), pictures, file)


def _encode(pictures: PuppetPictures, codec: ImageCodec) -> NDArray[np.float16]:
    images = pictures.images.reshape(-1, *pictures.images.shape[2:])
    batches = range(0, len(images), _ENCODE_BATCH)
    device = next(codec.parameters()).device
    encoded = [
        codec.encode(to_images(images[first : first + _ENCODE_BATCH]).to(device)).half().cpu()
        for first in batches
    ]
    latents = torch.cat(encoded).numpy()
    return latents.reshape(*pictures.images.shape[:2], *latents.shape[1:])
