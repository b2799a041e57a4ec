"""Means over clips with bootstrap intervals, and paired differences between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tcan_core.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A mean over clips and the percentile bootstrap interval around it."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class PairedDifference:
    """What changes from a base to another run on the same clips.

    Attributes:
        clips: how many clips are compared.
        base: mean of the base.
        other: mean of the other run.
        difference: of `other - base`, clip by clip.
        relative: of the change of the mean as a part of the base's mean, -0.3 is 30 % less; None
            where the base's mean is, or may as well be, 0.
    """

    clips: int
    base: float
    other: float
    difference: Interval
    relative: Interval | None


def bootstrap_interval(
    values: Sequence[float], n: int = 10_000, seed: int = 0, confidence: float = 0.95
) -> Interval:
    """Return the mean of the values and its percentile bootstrap interval.

    Args:
        values: one per clip, finite.
        n: how often the clips are drawn anew.
        seed: of the draws.
        confidence: 0..1 exclusive.

    Raises:
        InputError: there are no values, or one is not finite.
    """
    sample = _finite(values)
    means = sample[_draws(len(sample), n, seed)].mean(axis=1)
    return _interval(float(sample.mean()), means, confidence)


def paired_difference(
    base: Sequence[float],
    other: Sequence[float],
    n: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedDifference:
    """Compare two runs on the same clips, in the same order; the clips are drawn in pairs.

    Raises:
        InputError: the runs differ in length, are empty, or hold a value that is not finite.
    """
    first, second = _finite(base), _finite(other)
    if len(first) != len(second):
        raise InputError(f"{len(first)} clips cannot be paired with {len(second)}")
    draws = _draws(len(first), n, seed)
    return PairedDifference(
        clips=len(first),
        base=float(first.mean()),
        other=float(second.mean()),
        difference=bootstrap_interval(list(second - first), n, seed, confidence),
        relative=_relative_change(first, second, draws, confidence),
    )


def _relative_change(
    base: NDArray[np.float64],
    other: NDArray[np.float64],
    draws: NDArray[np.int64],
    confidence: float,
) -> Interval | None:
    base_means, change_means = base[draws].mean(axis=1), (other - base)[draws].mean(axis=1)
    if (base_means == 0).any() or base.mean() == 0:
        return None
    ratio = (other - base).mean() / abs(base.mean())
    return _interval(float(ratio), change_means / np.abs(base_means), confidence)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample) or not np.isfinite(sample).all():
        raise InputError(f"an interval needs finite values of at least one clip, not {values}")
    return sample


def _draws(count: int, n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (n, count))


def _interval(mean: float, means: NDArray[np.float64], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(low), float(high))
