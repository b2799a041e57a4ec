"""What cleaning does."""

from __future__ import annotations

from dataclasses import dataclass

from tcan_core.conditioning.cleaning.person import PersonChoice
from tcan_core.errors import ParameterError


@dataclass(frozen=True)
class CleaningSettings:
    """Each step can be switched off.

    Attributes:
        person: who is followed, see `person.PersonChoice`.
        choose_person: follow the main person; otherwise take the first of every frame.
        reject_jumps: drop joints that move as no body does.
        fill_gaps: interpolate joints over short gaps.
        smooth: Savitzky-Golay smoothing.
        min_confidence: joints below count as not detected, 0..1.
        max_gap: the longest gap that is filled, in frames; longer ones stay missing.
        max_carried: the longest gap at the beginning and at the end that is filled, in frames.
        max_speed: the fastest that a joint moves, in body heights per frame.
        smooth_window: frames, odd.
        smooth_order: degree of the fitted polynomial, below `smooth_window`.

    Raises:
        ParameterError: a value is out of its range.
    """

    person: PersonChoice = None
    choose_person: bool = True
    reject_jumps: bool = True
    fill_gaps: bool = True
    smooth: bool = True
    min_confidence: float = 0.1
    max_gap: int = 8
    max_carried: int = 4
    max_speed: float = 0.25
    smooth_window: int = 7
    smooth_order: int = 2

    def __post_init__(self) -> None:
        _require(0 <= self.min_confidence <= 1, "min_confidence", self.min_confidence, "0..1")
        _require(self.max_gap >= 0, "max_gap", self.max_gap, "0 or above")
        _require(self.max_carried >= 0, "max_carried", self.max_carried, "0 or above")
        _require(self.max_speed > 0, "max_speed", self.max_speed, "above 0")
        odd = self.smooth_window >= 3 and self.smooth_window % 2 == 1
        _require(odd, "smooth_window", self.smooth_window, "odd and at least 3")
        fits = 0 <= self.smooth_order < self.smooth_window
        _require(fits, "smooth_order", self.smooth_order, "0 or above and below smooth_window")


def _require(holds: bool, name: str, value: float, allowed: str) -> None:
    if not holds:
        raise ParameterError(f"{name} is {value}; it must be {allowed}")
