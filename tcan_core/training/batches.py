"""Batches of stages 1 and 2, and the interface of their data sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tcan_core.errors import ConfigError
from tcan_core.training.damaged_files import DamagedFile
from tcan_core.training.prepare.crops import Size
from tcan_core.training.samples import Samples

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec


class ClipBatch(NamedTuple):
    """Source images, each with target frames and their poses; stage 1 uses one frame each.

    Shapes: b batch, c latent channels, f frames, h w latent size

    Attributes:
        sources: (b, c, h, w) latents, unit variance.
        latents: (b, c, f, h, w) latents of the target frames, unit variance.
        drawn_poses: (b, 3, f, height, width) uint8 RGB, skeletons on black.
    """

    sources: Tensor
    latents: Tensor
    drawn_poses: Tensor

    @property
    def damaged(self) -> Sequence[DamagedFile]:
        """None: latents are checked before training."""
        return ()

    def encoded(self, codec: ImageCodec) -> ClipBatch:
        """Return the batch itself."""
        return self

    @property
    def pose_maps(self) -> Tensor:
        """(b, 3, f, height, width) in 0..1, as the ControlNet takes them."""
        return self.drawn_poses.float() / 255

    def to(self, device: str) -> ClipBatch:
        """Return the batch on a device."""
        return ClipBatch(*(part.to(device) for part in self))


class DrawnClips(Protocol):
    """A drawn batch, whose images may not be encoded yet; it can be pickled."""

    @property
    def damaged(self) -> Sequence[DamagedFile]:
        """Files in whose place others were drawn."""

    def encoded(self, codec: ImageCodec) -> ClipBatch:
        """Return the batch with latents."""


class ClipData(Protocol):
    """Clips of characters in motion; they can be pickled and hold no weights."""

    def __len__(self) -> int:
        """Return the number of clips that samples are drawn from."""

    def sample(self, samples: Samples) -> DrawnClips:
        """Draw one row per sample, using only that sample's generator."""

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `sample` draws for each sample."""

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of clips of each size of images, (height, width) in pixels."""

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return a fixed batch for sample sheets and its images, of the size of most clips.

        The images, (count, 1 + f, height, width, 3) uint8 RGB, are the source and its targets.
        """


def check_size(size: int, factor: int) -> None:
    """Check that images of a size can be encoded.

    Args:
        size: side of the images in pixels.
        factor: pixels per latent along a side.

    Raises:
        ConfigError: the size is not a multiple of the factor.
    """
    if size < factor or size % factor:
        below = size // factor * factor
        nearest = " or ".join(str(one) for one in (below, below + factor) if one)
        raise ConfigError(f"size is {size}; it must be a multiple of {factor}, such as {nearest}")


def describe_sizes(sizes: Mapping[Size, int]) -> str:
    """Return sizes with their numbers of clips in words, such as "384x640 (3 clips)"."""
    return ", ".join(
        f"{width}x{height} ({count} clip{'s' * (count > 1)})"
        for (height, width), count in sizes.items()
    )


def choose_size(samples: Samples, sizes: Mapping[Size, int]) -> Size:
    """Choose the size of a step, in proportion to the number of clips of each.

    All samples of a step are of one size, in all processes: a batch has images of one size.

    Args:
        samples: any samples of the step.
        sizes: number of clips of each size.
    """
    if len(sizes) == 1:
        return next(iter(sizes))
    rng = np.random.default_rng(samples[0].step_seed)
    position = rng.random() * sum(sizes.values())
    return list(sizes)[int(np.searchsorted(np.cumsum(list(sizes.values())), position, "right"))]


def choose_frames(rng: np.random.Generator, length: int, num_frames: int) -> tuple[int, int]:
    """Return the index of the source frame and of the first target frame.

    A single target frame always differs from the source frame.

    Args:
        length: number of frames of the clip.
        num_frames: number of target frames.
    """
    if num_frames == 1:
        source, target = rng.choice(length, 2, replace=False)
        return int(source), int(target)
    return int(rng.integers(length)), int(rng.integers(length - num_frames + 1))


def choose_examples(
    lengths: Sequence[int], num_frames: int, count: int
) -> list[tuple[int, int, int]]:
    """Choose fixed examples: different clips, spread over all, and frames that share no index.

    With fewer clips than examples, a clip is used again with other frames. If no clip is longer
    than `num_frames`, the source is the last of the targets.

    Args:
        lengths: number of frames of each clip, at least `num_frames`.

    Returns:
        For each example the clip's index, its source frame, and its first target frame.
    """
    longer = [index for index, length in enumerate(lengths) if length > num_frames]
    usable = longer or list(range(len(lengths)))
    rounds = -(-count // len(usable))
    examples = []
    for number in range(count):
        clip = usable[number * len(usable) // count if rounds == 1 else number % len(usable)]
        last = max(lengths[clip] - num_frames - 1, 0)  # the first target, of what is behind it
        first = last * (number // len(usable)) // rounds
        examples.append((clip, lengths[clip] - 1, first))
    return examples


def frames_around(first: int, last: int, length: int) -> slice:
    """Return the frames of a clip from `first` up to `last` with one more on each side.

    Poses are read so, because the errors in them may show a frame early or late.
    """
    return slice(max(first - 1, 0), min(last + 1, length))
