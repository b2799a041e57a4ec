"""Random generators of the samples of a batch.

A sample depends only on the seed, the step and its index in the global batch, not on the number of
processes, micro-batches or restarts. So the same global batch gives the same training on one device
and on sixteen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_POSES = 0x905E5


class Sample(torch.Generator):
    """The generator of one sample, from which everything is drawn for it.

    Attributes:
        step_seed: the same number for all samples of a step, for what they have in common; it is
            lost when the generator is pickled.
    """

    step_seed: int = 0


# Those of a micro-batch.
Samples = Sequence[Sample]


def draw_samples(seed: int, step: int, indices: range) -> list[Sample]:
    """Return the generators of the samples at these indices of the global batch."""
    samples = [Sample() for _ in indices]
    for sample, index in zip(samples, indices, strict=True):
        sample.manual_seed(_seed(seed, step, index))
        sample.step_seed = _seed(seed, step)
    return samples


def uniform(samples: Samples) -> Tensor:
    """Draw a number in 0..1 for each sample, (batch,)."""
    return torch.cat([torch.rand(1, generator=one) for one in samples])


def integers(samples: Samples, high: int) -> NDArray[np.int64]:
    """Draw an integer in 0..high - 1 for each sample, (batch,)."""
    return torch.cat([torch.randint(high, (1,), generator=one) for one in samples]).numpy()


def normal(samples: Samples, shape: Sequence[int]) -> Tensor:
    """Draw unit noise of this shape for each sample, (batch, *shape)."""
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in samples])


def numpy_generators(samples: Samples) -> list[np.random.Generator]:
    """Return a numpy generator for each sample."""
    return [np.random.default_rng(int(torch.randint(2**62, (), generator=one))) for one in samples]


def pose_generators(samples: Samples) -> list[np.random.Generator]:
    """Return a numpy generator for the errors in each sample's poses.

    They leave the sample's own generator as it is: with and without errors, all else is the same.
    """
    return [np.random.default_rng([one.initial_seed() % 2**64, _POSES]) for one in samples]


def move_dropped_to_front(samples: Samples, share: float) -> tuple[list[Sample], int]:
    """Choose samples whose reference is dropped, and move them to the front.

    Args:
        share: probability that a sample's reference is dropped, 0..1.

    Returns:
        The reordered samples, and the number of chosen ones at the front.
    """
    chosen = (uniform(samples) < share).tolist()
    front = [one for one, drop in zip(samples, chosen, strict=True) if drop]
    rest = [one for one, drop in zip(samples, chosen, strict=True) if not drop]
    return front + rest, len(front)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
