"""Data sources of stages 1 and 2: puppets, folders of clips, or prepared shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tcan_core.errors import ConfigError
from tcan_core.models.weights.part_files import PartFolders
from tcan_core.models.weights.presets import Preset
from tcan_core.training.batches import ClipBatch, ClipData, check_size
from tcan_core.training.config import FolderData, PuppetData, ShardData
from tcan_core.training.folder_data import FolderClips, find_clips
from tcan_core.training.latent_data import PuppetLatents, load_latents
from tcan_core.training.pose_augmentation import Errors, PoseAugmentation, errors_of
from tcan_core.training.prepare.crops import Size
from tcan_core.training.samples import Samples, integers
from tcan_core.training.shard_data import ShardClips
from tcan_core.training.sheets import fixed_choice

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec


@dataclass(frozen=True)
class PuppetPairs:
    """Pairs of images of one puppet: a source, and a target with its pose."""

    puppets: PuppetLatents
    augmentation: PoseAugmentation | None = None

    def __len__(self) -> int:
        return len(self.puppets)

    def sample(self, samples: Samples) -> ClipBatch:
        """Draw two different images for each sample."""
        frames = self.puppets.latents.shape[1]
        characters = integers(samples, len(self.puppets))
        source = integers(samples, frames)
        offset = 1 + integers(samples, frames - 1)
        targets = (source + offset)[:, None] % frames
        errors = errors_of(self.augmentation, samples)
        return self.puppets.clips(characters, source, targets, errors)

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of puppets of each size of images."""
        return self.puppets.sizes

    def names(self, samples: Samples) -> list[str]:
        """Return the puppet that `sample` draws for each sample."""
        return [f"puppet {one}" for one in integers(samples, len(self.puppets))]

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return standing puppets as sources and moving ones as targets.

        The images are (count, 2, size, size, 3).
        """
        characters = fixed_choice(len(self.puppets), count)
        still, moving = np.zeros(count, np.int64), np.ones((count, 1), np.int64)
        return (
            self.puppets.clips(characters, still, moving, [list] * count),
            self.puppets.pictures.images[characters][:, :2],
        )


@dataclass(frozen=True)
class PuppetClips:
    """Clips of one puppet: its standing image as source, consecutive frames as targets."""

    puppets: PuppetLatents
    num_frames: int
    augmentation: PoseAugmentation | None = None

    def __len__(self) -> int:
        return len(self.puppets)

    def sample(self, samples: Samples) -> ClipBatch:
        """Draw clips with random first frames."""
        characters = integers(samples, len(self.puppets))
        first = 1 + integers(samples, self.puppets.latents.shape[1] - self.num_frames)
        return self._clips(characters, first, errors_of(self.augmentation, samples))

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of puppets of each size of images."""
        return self.puppets.sizes

    def names(self, samples: Samples) -> list[str]:
        """Return the puppet that `sample` draws for each sample."""
        return [f"puppet {one}" for one in integers(samples, len(self.puppets))]

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return clips from their first frame; the images are (count, 1 + f, size, size, 3)."""
        characters = fixed_choice(len(self.puppets), count)
        batch = self._clips(characters, np.ones(count, np.int64), [list] * count)
        return batch, self.puppets.pictures.images[characters][:, : self.num_frames + 1]

    def _clips(
        self, characters: NDArray[np.int64], first: NDArray[np.int64], errors: Sequence[Errors]
    ) -> ClipBatch:
        frames = first[:, None] + np.arange(self.num_frames)
        return self.puppets.clips(characters, np.zeros_like(characters), frames, errors)


@dataclass(frozen=True)
class ClipSource:
    """The data source of a stage: exactly one of the three.

    Attributes:
        data: puppets.
        folders: TikTok-style folders of images.
        shards: clips prepared by `tcan data prepare`.
    """

    data: PuppetData | None = None
    folders: FolderData | None = None
    shards: ShardData | None = None

    def __post_init__(self) -> None:
        names = [name for name in ("data", "folders", "shards") if getattr(self, name) is not None]
        if len(names) != 1:
            raise ConfigError(
                "set exactly one of `data` (puppets), `folders` (clips) and `shards` (prepared "
                f"clips); got {', '.join(names) or 'none'}"
            )


def shared_clips(training: ClipSource, validation: ClipSource) -> str:
    """Return the clips of validation that are trained on as well, in words; "" for none."""
    if training.folders and validation.folders:
        mine, others = training.folders, validation.folders
        names = [{clip.name for clip in find_clips(one, 1)} for one in (mine, others)]
        is_same = Path(mine.root).resolve() == Path(others.root).resolve()
        return ", ".join(sorted(names[0] & names[1])) if is_same else ""
    if training.shards and validation.shards:
        place, other = ((one.root, one.split) for one in (training.shards, validation.shards))
        return f"split {place[1]!r} of {place[0]}" if place == other else ""
    if training.data and validation.data:
        first = max(training.data.first_seed, validation.data.first_seed)
        ends = [one.first_seed + one.characters for one in (training.data, validation.data)]
        return f"puppets {first} to {min(ends) - 1}" if first < min(ends) else ""
    return ""


def open_clip_data(
    source: ClipSource,
    num_frames: int,
    preset: Preset,
    parts: PartFolders,
    codec: ImageCodec,
    augmentation: PoseAugmentation | None = None,
) -> ClipData:
    """Open the data of a stage with `num_frames` target frames per sample.

    Args:
        augmentation: rates of errors in the poses of `sample`; those of `examples` have none.

    Raises:
        ConfigError: no clip has that many frames, or there is no data.
    """
    if source.shards is not None:
        return ShardClips(source.shards, num_frames, preset, parts, augmentation)
    if source.folders is not None:
        for side in {side for size in source.folders.crop_sizes for side in size}:
            check_size(side, codec.factor)
        return FolderClips(source.folders, num_frames, augmentation)
    data = source.data
    if data is None or data.frames <= num_frames or (num_frames > 1 and not data.consecutive):
        raise ConfigError(
            f"{num_frames} target frames need at least {num_frames + 1} images per puppet, "
            f"and `consecutive: true` for more than one target frame; got {data}"
        )
    puppets = load_latents(data, preset, parts, codec)
    if num_frames == 1:
        return PuppetPairs(puppets, augmentation)
    return PuppetClips(puppets, num_frames, augmentation)
