"""Settings of the cleaning."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tcan_core.conditioning.cleaning.person import PersonChoice
from tcan_core.errors import ParameterError

# However few frames a second has, a detector misses a joint in some of them in a row.
MIN_GAP = 5
SMOOTHED_FRAMES = 7  # with fewer, a polynomial follows the jitter


@dataclass(frozen=True)
class CleaningSettings:
    """Settings of the cleaning steps, each of which can be disabled.

    Attributes:
        person: the person to follow, see `person.PersonChoice`.
        choose_person: follow one person; otherwise take the first one of every frame.
        smooth: smooth by Savitzky-Golay.
        min_confidence: joints with less confidence count as not detected, 0..1.
        max_gap_s: longest gap that is filled, or 5 frames if these last longer.
        max_carried_s: longest gap at the beginning and at the end that is filled.
        min_shown_s: a joint that is seen for a shorter time between two longer gaps is dropped, so
            that it does not blink; 0 keeps all.
        max_speed: highest speed of a joint, in body heights per second.
        smooth_window_s: time that a polynomial is fitted to, at least 7 frames.
        smooth_order: degree of the fitted polynomial, below 7.

    Raises:
        ParameterError: a value is out of range.
    """

    person: PersonChoice = None
    choose_person: bool = True
    reject_jumps: bool = True
    fill_gaps: bool = True
    smooth: bool = True
    min_confidence: float = 0.1
    max_gap_s: float = 0.32
    max_carried_s: float = 0.16
    min_shown_s: float = 0.2
    max_speed: float = 6.25
    smooth_window_s: float = 0.28
    smooth_order: int = 2

    def __post_init__(self) -> None:
        _require(0 <= self.min_confidence <= 1, "min_confidence", self.min_confidence, "0..1")
        for name in ("max_gap_s", "max_carried_s", "min_shown_s", "smooth_window_s"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or above")
        _require(self.max_speed > 0, "max_speed", self.max_speed, "above 0")
        fits = 0 <= self.smooth_order < SMOOTHED_FRAMES
        _require(fits, "smooth_order", self.smooth_order, f"0 to {SMOOTHED_FRAMES - 1}")

    def for_cleaned(self) -> CleaningSettings:
        """Return the settings for poses that are used as they are; only `person` still counts."""
        return replace(
            self,
            choose_person=self.person is not None,
            reject_jumps=False,
            fill_gaps=False,
            smooth=False,
            min_confidence=0.0,
            min_shown_s=0.0,
        )

    def max_gap(self, fps: float) -> int:
        """Return the longest gap that is filled, in frames."""
        return max(MIN_GAP, round(self.max_gap_s * fps))

    def smooth_window(self, fps: float) -> int:
        """Return the frames that a polynomial is fitted to, odd."""
        return max(SMOOTHED_FRAMES, round(self.smooth_window_s * fps) // 2 * 2 + 1)


def _require(holds: bool, name: str, value: float, allowed: str) -> None:
    if not holds:
        raise ParameterError(f"{name} is {value}; it must be {allowed}")
