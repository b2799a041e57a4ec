"""Regularization of fine-tuning by clips of other characters, and by the initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.errors import ConfigError
from tcan_core.training.batches import ClipBatch, ClipData, DrawnClips, describe_sizes
from tcan_core.training.clip_data import ClipSource
from tcan_core.training.damaged_files import DamagedFile
from tcan_core.training.prepare.crops import Size
from tcan_core.training.samples import Samples, uniform

if TYPE_CHECKING:  # heavy, and loader processes need none
    from tcan_core.models.networks.vae import ImageCodec


@dataclass(frozen=True)
class Regularization(ClipSource):
    """Clips of other characters, from one of `data`, `folders`, `shards`.

    Attributes:
        share: probability that a sample is drawn from them, 0..1.
    """

    share: float = 0.5


@dataclass(frozen=True)
class MixedBatch:
    """A batch of rows from several sources.

    Attributes:
        batches: the rows of each source.
        order: index of each row in the joined batches.
    """

    batches: Sequence[DrawnClips]
    order: NDArray[np.int64]

    @property
    def damaged(self) -> Sequence[DamagedFile]:
        """Files in whose place others were drawn."""
        return [file for batch in self.batches for file in batch.damaged]

    def encoded(self, codec: ImageCodec) -> ClipBatch:
        """Return the batch with latents."""
        parts = zip(*(batch.encoded(codec) for batch in self.batches), strict=True)
        return ClipBatch(*(torch.cat(part)[self.order] for part in parts))


@dataclass(frozen=True)
class MixedClips:
    """Clips of which a share comes from another source.

    Raises:
        ConfigError: their images have not all one size.
    """

    own: ClipData
    others: ClipData
    share: float

    def __post_init__(self) -> None:
        if len({*self.own.sizes, *self.others.sizes}) > 1:
            raise ConfigError(
                f"sizes of clips are {describe_sizes(self.own.sizes)}, those of `regularization` "
                f"{describe_sizes(self.others.sizes)}; both must have one size, the same"
            )

    @property
    def sizes(self) -> dict[Size, int]:
        """Number of own clips of each size of images."""
        return self.own.sizes

    def __len__(self) -> int:
        return len(self.own)

    def sample(self, samples: Samples) -> MixedBatch:
        """Draw one row per sample from its source."""
        sources = self._sources(samples)
        batches = [data.sample([samples[row] for row in rows]) for data, rows in sources]
        return MixedBatch(batches, np.argsort(np.concatenate([rows for _, rows in sources])))

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `sample` draws for each sample."""
        names = dict[int, str]()
        for data, rows in self._sources(samples):
            found = data.names([samples[row] for row in rows])
            names |= dict(zip(rows, found, strict=True))
        return [names[row] for row in range(len(samples))]

    def examples(self, count: int, codec: ImageCodec) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return a fixed batch of the own clips, and its images."""
        return self.own.examples(count, codec)

    def _sources(self, samples: Samples) -> list[tuple[ClipData, Sequence[int]]]:
        """Return each source that is drawn from, with the rows of its samples."""
        is_other = (uniform(samples) < self.share).tolist()
        rows = [[row for row, other in enumerate(is_other) if other == kind] for kind in (0, 1)]
        pairs = zip((self.own, self.others), rows, strict=True)
        return [(data, chosen) for data, chosen in pairs if chosen]


class InitialDistance:
    """Mean squared distance of the trained weights from their values at construction."""

    def __init__(self, trained: nn.Module) -> None:
        self._parameters = [value for value in trained.parameters() if value.requires_grad]
        self._initial = [value.detach().clone() for value in self._parameters]
        self._count = sum(value.numel() for value in self._parameters)

    def __call__(self) -> Tensor:
        """Return the distance, a scalar with gradients."""
        pairs = zip(self._parameters, self._initial, strict=True)
        squares = [(now - before).square().sum() for now, before in pairs]
        return torch.stack(squares).sum() / self._count
