import numpy as np
import pytest

from tcan_core.errors import InputError
from tcan_core.evaluation.intervals import bootstrap_interval, paired_difference


def test_the_interval_of_a_constant_is_that_constant() -> None:
    interval = bootstrap_interval([3.0] * 10)

    assert (interval.mean, interval.low, interval.high) == (3, 3, 3)
    assert interval.low > 0


def test_the_interval_is_that_of_the_normal_distribution_for_many_clips() -> None:
    values = np.random.default_rng(0).normal(2, 1, 400)

    interval = bootstrap_interval(list(values))

    half = 1.96 * values.std() / 20
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.01)


def test_the_interval_is_reproducible_by_seed() -> None:
    values = [1.0, 5.0, 2.0, 9.0]

    assert bootstrap_interval(values, n=50, seed=1) == bootstrap_interval(values, n=50, seed=1)
    assert bootstrap_interval(values, n=50, seed=1) != bootstrap_interval(values, n=50, seed=2)


def test_paired_differences_detect_small_effects() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(20, 5, 48)
    other = base - 2 + rng.normal(0, 0.2, 48)

    change = paired_difference(list(base), list(other))

    assert change.clips == 48
    assert change.difference.mean == pytest.approx(-2, abs=0.1)
    assert change.difference.high < -1.9
    assert change.difference.low > 0 or change.difference.high < 0
    assert change.relative is not None
    assert change.relative.mean == pytest.approx((change.other - change.base) / change.base)
    assert change.relative.low < change.relative.mean < change.relative.high < 0


def test_an_interval_without_effect_contains_zero() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(20, 5, 48)

    change = paired_difference(list(base), list(base + rng.normal(0, 1, 48)))

    assert change.difference.low <= 0 <= change.difference.high


def test_a_base_of_zero_has_no_relative_change() -> None:
    change = paired_difference([0.0, 0.0, 0.0], [1.0, 2.0, 1.5])

    assert change.difference.mean == 1.5
    assert change.relative is None


def test_values_that_are_unpaired_or_not_finite_are_rejected() -> None:
    with pytest.raises(InputError, match="2 clips cannot be paired with 1"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="at least one clip"):
        bootstrap_interval([])
    with pytest.raises(InputError, match="nan"):
        bootstrap_interval([1.0, float("nan")])
