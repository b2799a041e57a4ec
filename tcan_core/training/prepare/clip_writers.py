"""Writers of prepared clips: shards of latents, or folders of images in TikTok's layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from media.errors import FileError
from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.errors import ConfigError, ParameterError, StorageError
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.training.clip_folders import IMAGES, KEYPOINTS, POSES
from tcan_core.training.prepare.crops import CROP_SCALE, Crop, Pictures, Region, Size
from tcan_core.training.puppet_data import to_images
from tcan_core.training.shards import ShardWriter, View

_ENCODE_BATCH = 8  # a full-size image takes a gigabyte to encode


@dataclass(frozen=True)
class PreparedClip:
    """A clip to write.

    Attributes:
        name: unique name of the clip.
        split: "train" or "validation".
        video: name of its source.
        first_frame: index of its first frame in the source.
        fps: frames per second; 0 for separate pictures.
        poses: one per frame, in pixels of the frame.
        regions: the part of each frame to use, one per frame.
        size: (height, width) of the images that the regions become.
        crops: crops of the regions; the first is the whole.
    """

    name: str
    split: str
    video: str
    first_frame: int
    fps: float
    poses: Sequence[Pose]
    regions: Sequence[Region]
    size: Size
    crops: Sequence[Crop]

    def pose(self, number: int, crop: Crop) -> Pose:
        """Return the pose of a frame on the canvas of one of its crops."""
        return crop.move(self.poses[number], self.regions[number], self.size)


class ClipWriter(Protocol):
    """Destination of prepared clips."""

    def add(self, clip: PreparedClip, frames: Iterable[Pictures]) -> None:
        """Write a clip.

        Args:
            frames: (height, width, 3) each; they are read once and not kept.

        Raises:
            MediaError: a frame cannot be read; nothing of the clip is written.
            StorageError: the clip cannot be written.
        """

    def close(self) -> None:
        """Make the set complete."""


class ShardClipWriter:
    """Writer of the latents of each clip's crops."""

    def __init__(self, writer: ShardWriter, codec: ImageCodec) -> None:
        self._writer, self._codec = writer, codec

    def add(self, clip: PreparedClip, frames: Iterable[Pictures]) -> None:
        """See `ClipWriter`."""
        encoded: list[list[Tensor]] = [[] for _ in clip.crops]
        pairs = zip(frames, clip.regions, strict=True)
        while batch := list(islice(pairs, _ENCODE_BATCH)):
            for crop, latents in zip(clip.crops, encoded, strict=True):
                cut = [crop.cut(frame, region, clip.size) for frame, region in batch]
                latents.append(self._encode(np.stack(cut)))
        whole, *others = (torch.cat(latents) for latents in encoded)
        views = [_view(crop, clip.regions[0], clip.size) for crop in clip.crops[1:]]
        self._writer.add(
            whole,
            [clip.pose(number, clip.crops[0]) for number in range(len(clip.poses))],
            list(zip(views, others, strict=True)),
            name=clip.name,
            split=clip.split,
            video=clip.video,
            first_frame=clip.first_frame,
            fps=clip.fps,
        )

    def close(self) -> None:
        """See `ClipWriter`."""
        self._writer.close()

    @torch.no_grad()
    def _encode(self, pictures: Pictures) -> Tensor:
        device = next(self._codec.parameters()).device
        return self._codec.encode(to_images(pictures).to(device)).cpu()


def _view(crop: Crop, region: Region, size: Size) -> View:
    """Return where a crop of a region lies in the image that the region becomes."""
    part, (height, width) = crop.within(region, size), size
    across, down = width / region.width, height / region.height
    return View(
        (part.left - region.left) * across,
        (part.top - region.top) * down,
        part.width * across,
        part.height * down,
        crop.is_flipped,
    )


class FolderClipWriter:
    """Writer of `<split>/<clip>/images`, `dwpose` and `poses.json`.

    Images are the regions at their own resolution, but at most so large that the smallest crop in
    training has as many pixels as the size. The folder appears when it is complete.

    Attributes:
        partial: hidden folder beside it, which has its content until then.

    Raises:
        ConfigError: the folder exists and is not empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder} is not empty; choose another folder, or remove it")
        self.partial = self._folder.with_name(f".{self._folder.name}.partial")
        self.discard()  # that of a killed preparation
        self.partial.mkdir(parents=True)

    def add(self, clip: PreparedClip, frames: Iterable[Pictures]) -> None:
        """See `ClipWriter`."""
        folder = self.partial / clip.split / clip.name.replace("/", "__")
        if folder.exists():
            raise ParameterError(f"clip {folder.name!r} was already added; names must be unique")
        try:
            self._write(folder, clip, frames)
        except BaseException:  # such as a video that is damaged here
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """See `ClipWriter`."""
        if self._folder.exists():
            self._folder.rmdir()
        self.partial.replace(self._folder)

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _write(self, folder: Path, clip: PreparedClip, frames: Iterable[Pictures]) -> None:
        size, poses = _stored_size(clip), list[list[Pose]]()
        for name in (IMAGES, POSES):
            (folder / name).mkdir(parents=True)
        for frame, region, pose in zip(frames, clip.regions, clip.poses, strict=True):
            name = f"{len(poses):06d}.png"
            poses.append([region.move(pose, size)])
            with _written():
                write_png(folder / IMAGES / name, region.cut(frame, size))
                write_png(folder / POSES / name, draw_pose(poses[-1][0]))
        with _written():
            write_pose_file(folder / KEYPOINTS, poses, clip.fps or None, is_cleaned=True)


@contextmanager
def _written() -> Iterator[None]:
    """Tell a file that cannot be written from one that cannot be read."""
    try:
        yield
    except FileError as error:
        raise StorageError(f"{error}; nothing was kept, free space and start again") from error


def _stored_size(clip: PreparedClip) -> Size:
    """Return the size of a clip's images in its folder, which have one size as their poses do."""
    largest = max(region.height / clip.size[0] for region in clip.regions)
    scale = min(1 / CROP_SCALE[0], largest)
    return round(clip.size[0] * scale), round(clip.size[1] * scale)
