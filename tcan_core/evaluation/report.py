"""Evaluation reports: metrics per clip and condition, and their means, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from media.atomic_write import atomic_write
from tcan_core.errors import InputError
from tcan_core.evaluation.intervals import (
    Interval,
    PairedDifference,
    bootstrap_interval,
    paired_difference,
)

Metrics = dict[str, float | None]  # metric name to value; None if a clip has no pixels to measure


@dataclass(frozen=True)
class ClipReport:
    """Results of one pair.

    Attributes:
        name: name of the pair's folder.
        frames: number of frames of the truth.
        proportion_gap: difference in proportions of source and driving person, see `Pair`.
        results: metrics by condition.
        errors: error message by condition, where there is no result.
        seconds: duration of the animation by condition.
    """

    name: str
    frames: int
    proportion_gap: float | None
    results: dict[str, Metrics] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Results of all pairs of one run.

    Attributes:
        about: preset, options, seed and other information to repeat the run.
        clips: results, one per pair.
    """

    about: dict[str, Any]
    clips: list[ClipReport]

    def conditions(self) -> list[str]:
        """Return the conditions that any clip has a result for, in order of appearance."""
        return list(dict.fromkeys(name for clip in self.clips for name in clip.results))

    def metrics(self) -> list[str]:
        """Return the metrics that any clip has a value for, in order of appearance."""
        measured = (metrics for clip in self.clips for metrics in clip.results.values())
        return list(dict.fromkeys(name for metrics in measured for name in metrics))

    def interval(self, condition: str, metric: str) -> Interval | None:
        """Return the mean over clips with its interval, or None if no clip has a value."""
        values = [_value(clip, condition, metric) for clip in self.clips]
        measured = [value for value in values if value is not None]
        return bootstrap_interval(measured) if measured else None

    def write(self, path: Path) -> None:
        """Write the report as JSON, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._content(), indent=2, allow_nan=False)
        with atomic_write(path) as unfinished:
            unfinished.write_text(text + "\n", encoding="utf-8")

    def _content(self) -> dict[str, Any]:
        intervals = {
            condition: {metric: self.interval(condition, metric) for metric in self.metrics()}
            for condition in self.conditions()
        }
        return {
            "about": self.about,
            "num_clips": len(self.clips),
            "num_errors": sum(len(clip.errors) for clip in self.clips),
            "means": _each(intervals, lambda interval: interval.mean),
            "intervals_95": _each(intervals, lambda interval: [interval.low, interval.high]),
            "clips": [asdict(clip) for clip in self.clips],
        }


def read_report(path: Path) -> Report:
    """Read a report that `Report.write` wrote.

    Raises:
        InputError: the file does not exist or is not a report.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Report(content["about"], [ClipReport(**clip) for clip in content["clips"]])
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a report of tcan evaluate ({error!r})") from error


def compare_conditions(
    base: Report,
    other: Report,
    base_condition: str,
    other_condition: str,
    min_proportion_gap: float = 0.0,
) -> dict[str, PairedDifference]:
    """Compare two runs, or two conditions of one run, on their common clips.

    Args:
        base_condition: condition of `base`, such as "pose".
        min_proportion_gap: clips with a smaller proportion gap are left out.

    Returns:
        The change of each metric over the clips that have it in both.

    Raises:
        InputError: no clip has results for both.
    """
    others = {clip.name: clip for clip in other.clips}
    clips = [
        (clip, others[clip.name])
        for clip in base.clips
        if clip.name in others and (clip.proportion_gap or 0.0) >= min_proportion_gap
    ]
    changes = {}
    for metric in base.metrics():
        values = [
            (_value(one, base_condition, metric), _value(two, other_condition, metric))
            for one, two in clips
        ]
        paired = [(one, two) for one, two in values if one is not None and two is not None]
        if paired:
            changes[metric] = paired_difference(
                [one for one, _ in paired], [two for _, two in paired]
            )
    if not changes:
        raise InputError(
            f"no clip has results for both {base_condition!r} and {other_condition!r}"
            f" with a proportion gap of at least {min_proportion_gap}"
        )
    return changes


def _value(clip: ClipReport, condition: str, metric: str) -> float | None:
    return clip.results.get(condition, {}).get(metric)


def _each(
    intervals: dict[str, dict[str, Interval | None]], what: Callable[[Interval], Any]
) -> dict[str, dict[str, Any]]:
    return {
        condition: {name: what(one) if one else None for name, one in by_metric.items()}
        for condition, by_metric in intervals.items()
    }
