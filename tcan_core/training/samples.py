"""What the samples of a batch are drawn from.

A sample depends on the seed, the step and its place in the global batch, and on nothing else: not
on how many processes, micro-batches or restarts the run is cut into. So the same global batch gives
the same training on one device and on sixteen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# One generator for each sample of a micro-batch; all that is drawn for a sample comes from its own.
Samples = Sequence[torch.Generator]


def draw_samples(seed: int, step: int, places: range) -> list[torch.Generator]:
    """Return the generators of the samples at these places of the global batch."""
    return [torch.Generator().manual_seed(_seed(seed, step, place)) for place in places]


def uniform(samples: Samples) -> Tensor:
    """Draw a number of 0..1 for each sample, (batch,)."""
    return torch.cat([torch.rand(1, generator=one) for one in samples])


def integers(samples: Samples, high: int) -> NDArray[np.int64]:
    """Draw a whole number of 0..high - 1 for each sample, (batch,)."""
    return torch.cat([torch.randint(high, (1,), generator=one) for one in samples]).numpy()


def normal(samples: Samples, shape: Sequence[int]) -> Tensor:
    """Draw unit noise of this shape for each sample, (batch, *shape)."""
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in samples])


def numpy_generators(samples: Samples) -> list[np.random.Generator]:
    """Return a generator of numpy for each sample."""
    return [np.random.default_rng(int(torch.randint(2**62, (), generator=one))) for one in samples]


def dropped_first(samples: Samples, share: float) -> tuple[list[torch.Generator], int]:
    """Choose the samples that go without their reference, and put them in front.

    Returns:
        The samples in their new order, and how many in front are chosen.
    """
    chosen = (uniform(samples) < share).tolist()
    front = [one for one, drop in zip(samples, chosen, strict=True) if drop]
    rest = [one for one, drop in zip(samples, chosen, strict=True) if not drop]
    return front + rest, len(front)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
