"""Settings of the cleaning."""

from __future__ import annotations

from dataclasses import dataclass

from tcan_core.conditioning.cleaning.person import PersonChoice
from tcan_core.errors import ParameterError


@dataclass(frozen=True)
class CleaningSettings:
    """Settings of the cleaning steps, each of which can be disabled.

    Attributes:
        person: the person to follow, see `person.PersonChoice`.
        choose_person: follow one person; otherwise take the first one of every frame.
        smooth: smooth by Savitzky-Golay.
        min_confidence: joints with less confidence count as not detected, 0..1.
        max_gap: longest gap that is filled, in frames.
        max_carried: longest gap at the beginning and at the end that is filled, in frames.
        max_speed: highest speed of a joint, in body heights per frame.
        smooth_window: frames, odd.
        smooth_order: degree of the fitted polynomial, below `smooth_window`.

    Raises:
        ParameterError: a value is out of range.
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
