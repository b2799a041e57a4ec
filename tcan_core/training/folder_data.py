"""TikTok-style clip folders: frames and drawn poses as images, encoded on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.image import read_image
from tcan_core.errors import ConfigError
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.training.batches import ClipBatch, choose_frames
from tcan_core.training.config import FolderData
from tcan_core.training.prepare.crops import Square
from tcan_core.training.puppet_data import to_images
from tcan_core.training.samples import Samples, numpy_generators

IMAGES, POSES = "images", "dwpose"
_ASPECT_TOLERANCE = 0.02  # relative; sizes are rounded to pixels
_ENCODE_BATCH = 8  # a full-size image takes a gigabyte to encode

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """One clip folder: its frames in order, and the pose image of each."""

    name: str
    images: list[Path]
    poses: list[Path]


@dataclass(frozen=True)
class Crop:
    """A square part of an image, relative to the image's size.

    Attributes:
        side: side of the square as a fraction of the image's shorter side, above 0, at most 1.
        down: vertical position within the remaining space, 0 (top) to 1 (bottom).
        across: horizontal position within the remaining space, 0 (left) to 1 (right).
    """

    side: float
    down: float
    across: float

    def cut(self, picture: Pictures, size: int) -> Pictures:
        """Cut the square out of (height, width, 3) and resize it to (size, size, 3)."""
        height, width = picture.shape[:2]
        side = max(round(self.side * min(height, width)), 1)
        top, left = round(self.down * (height - side)), round(self.across * (width - side))
        return Square(left, top, side).cut(picture, size)


class FolderClips:
    """Source and consecutive target frames drawn from clip folders, with the same crop.

    A single target frame (stage 1) always differs from its source. Clips that are too short are
    left out.
    """

    def __init__(self, data: FolderData, num_frames: int, codec: ImageCodec) -> None:
        """List the clips.

        Raises:
            ConfigError: no clip is usable, or a frame has no pose.
        """
        self.data, self.num_frames, self.codec = data, num_frames, codec
        self.clips = find_clips(data, num_frames + (num_frames == 1))

    def sample(self, samples: Samples) -> ClipBatch:
        """Draw one row per sample, with one crop for all images of a row.

        Raises:
            ConfigError: a pose image has another aspect ratio than its frame.
        """
        return self._encode([self._read(rng) for rng in numpy_generators(samples)])

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `sample` draws for each sample."""
        return [self._choose(rng).name for rng in numpy_generators(samples)]

    def examples(self, count: int) -> tuple[ClipBatch, Pictures]:
        """Return a batch for sample sheets, and its images (count, 1 + f, size, size, 3)."""
        samples = [self._read(rng) for rng in np.random.default_rng(0).spawn(count)]
        return self._encode(samples), np.stack([pictures for pictures, _ in samples])

    def _read(self, rng: np.random.Generator) -> tuple[Pictures, Pictures]:
        """Return a source with its targets, (1 + f, size, size, 3), and the targets' pose maps."""
        clip = self._choose(rng)
        source, first = choose_frames(rng, len(clip.images), self.num_frames)
        crop = Crop(rng.uniform(*self.data.crop_scale), rng.uniform(), rng.uniform())
        targets = range(first, first + self.num_frames)
        images = [read_image(clip.images[frame]) for frame in (source, *targets)]
        poses = [read_image(clip.poses[frame]) for frame in targets]
        for frame, image, pose in zip(targets, images[1:], poses, strict=True):
            _check_proportions(clip.images[frame], image, clip.poses[frame], pose)
        return self._cut(images, crop), self._cut(poses, crop)

    def _choose(self, rng: np.random.Generator) -> Clip:
        return self.clips[rng.integers(len(self.clips))]

    def _cut(self, pictures: list[Pictures], crop: Crop) -> Pictures:
        return np.stack([crop.cut(picture, self.data.size) for picture in pictures])

    def _encode(self, samples: list[tuple[Pictures, Pictures]]) -> ClipBatch:
        latents = torch.stack([self._latents(pictures) for pictures, _ in samples])
        maps = torch.from_numpy(np.stack([maps for _, maps in samples]))
        return ClipBatch(
            sources=latents[:, 0],
            latents=latents[:, 1:].transpose(1, 2),
            pose_maps=maps.permute(0, 4, 1, 2, 3).float() / 255,
        )

    def _latents(self, pictures: Pictures) -> Tensor:
        device = next(self.codec.parameters()).device
        batches = torch.split(to_images(pictures), _ENCODE_BATCH)
        # Encode in the codec's own dtype as shards and inference do; the caller uses autocast.
        with torch.autocast(device.type, enabled=False):
            return torch.cat([self.codec.encode(images.to(device)).cpu() for images in batches])


def _check_proportions(image_path: Path, image: Pictures, pose_path: Path, pose: Pictures) -> None:
    """Raise ConfigError if a pose image has another aspect ratio than its frame."""
    (height, width), (pose_height, pose_width) = image.shape[:2], pose.shape[:2]
    if abs(width * pose_height - pose_width * height) > _ASPECT_TOLERANCE * width * pose_height:
        raise ConfigError(
            f"{image_path} has {width}x{height} pixels, but its pose {pose_path} has "
            f"{pose_width}x{pose_height}; both must have the same aspect ratio. Replace one of "
            "them, or name the clip in `left_out`"
        )


def find_clips(data: FolderData, min_frames: int) -> list[Clip]:
    """Return the clips with at least `min_frames` frames, sorted by name.

    Raises:
        ConfigError: there is no such clip, a named clip is missing, or a frame has no pose.
    """
    folders = sorted(path.parent for path in Path(data.root).glob(f"*/{IMAGES}"))
    if missing := set(data.only) - {folder.name for folder in folders}:
        raise ConfigError(
            f"{data.root}: clips listed in `only` do not exist: {', '.join(sorted(missing))}"
        )
    selected = [path for path in folders if not data.only or path.name in data.only]
    clips = [_open_clip(folder) for folder in selected if folder.name not in data.left_out]
    usable = [clip for clip in clips if len(clip.images) >= min_frames]
    if not usable:
        raise ConfigError(
            f"{data.root}: no clip of {len(folders)} has at least {min_frames} frames; "
            f"expected <clip>/{IMAGES}/* and <clip>/{POSES}/*"
        )
    return usable


def _open_clip(folder: Path) -> Clip:
    images = sorted((folder / IMAGES).glob("[!.]*"), key=_by_number)
    poses = {path.stem: path for path in (folder / POSES).glob("[!.]*")}
    missing = [path.name for path in images if path.stem not in poses]
    if missing:
        raise ConfigError(
            f"{folder}: {len(missing)} of {len(images)} frames have no pose in {POSES}; "
            f"the first is {missing[0]}"
        )
    return Clip(folder.name, images, [poses[path.stem] for path in images])


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that orders 2.png before 10.png."""
    parts = re.split(r"(\d+)", path.stem)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
