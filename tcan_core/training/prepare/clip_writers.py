"""Writer of prepared clips as shards of latents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.training.prepare.crops import Crop, Pictures, Region, Size
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


class ShardClipWriter:
    """Writer of the latents of each clip's crops."""

    def __init__(self, writer: ShardWriter, codec: ImageCodec) -> None:
        self._writer, self._codec = writer, codec

    def add(self, clip: PreparedClip, frames: Iterable[Pictures]) -> None:
        """Write a clip.

        Args:
            frames: (height, width, 3) each; they are read once and not kept.
        """
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
        """Make the set complete."""
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
