"""Means over clips with bootstrap intervals, and paired differences between two runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap

from tcan_core.errors import InputError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over clips and the percentile bootstrap interval around it."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """The change from a base run to another run on the same clips.

    Attributes:
        clips: number of compared clips.
        base: mean of the base run.
        other: mean of the other run.
        difference: interval of `other - base`, paired by clip.
        relative: interval of the change relative to the base's mean, -0.3 is 30 % less; None if
            the base's mean is 0 or not clearly different from 0.
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
        n: number of bootstrap resamples.
        confidence: 0..1 exclusive.

    Raises:
        InputError: there are no values, or one is not finite.
    """
    sample = _finite(values)
    interval = _interval((sample,), np.mean, n, seed, confidence)
    assert interval is not None  # a mean of finite values
    return interval


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
    return PairedDifference(
        clips=len(first),
        base=float(first.mean()),
        other=float(second.mean()),
        difference=bootstrap_interval(list(second - first), n, seed, confidence),
        relative=_interval((first, second), _relative_change, n, seed, confidence),
    )


def _relative_change(base: Values, other: Values, axis: int = -1) -> Any:
    return (other - base).mean(axis) / np.abs(base.mean(axis))


def _finite(values: Sequence[float]) -> Values:
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample) or not np.isfinite(sample).all():
        raise InputError(f"an interval needs finite values of at least one clip, not {values}")
    return sample


def _interval(
    samples: tuple[Values, ...],
    statistic: Callable[..., Any],
    n: int,
    seed: int,
    confidence: float,
) -> Interval | None:
    """Return a statistic and its interval, or None where a draw makes it infinite."""
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        warnings.catch_warnings(action="ignore", category=DegenerateDataWarning),
    ):
        value = float(statistic(*samples))
        if len(samples[0]) == 1:  # scipy takes no single clip
            return Interval(value, value, value) if np.isfinite(value) else None
        result = bootstrap(
            samples,
            statistic,
            n_resamples=n,
            paired=True,
            vectorized=True,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    if not np.isfinite([value, *result.bootstrap_distribution]).all():
        return None
    low, high = result.confidence_interval
    return Interval(value, float(low), float(high))
