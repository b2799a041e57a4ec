"""Animate every pair, measure it against the truth, and write the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from media.image import write_png
from tcan_core.errors import InputError, ParameterError
from tcan_core.evaluation.metrics import Frames, Metric
from tcan_core.evaluation.pairs import Pair, read_pairs
from tcan_core.evaluation.report import ClipReport, Metrics, Report
from tcan_core.evaluation.sheets import pair_sheet
from tcan_core.evaluation.truth import Truth, finite_or_none, repeat_source

Driving = Literal["pose", "video"]
DRIVINGS: tuple[Driving, ...] = ("pose", "video")
REPEAT_SOURCE = "repeat_source"


class Animator(Protocol):
    """A method under evaluation."""

    def __call__(self, pair: Pair, driving: Driving, seed: int) -> Frames:
        """Return the source character doing the driving motion, (f, h, w, 3) uint8.

        Args:
            pair: the pair to animate; its ground truth must not be used.
            driving: "pose" provides the true poses of both people; "video" only the images.

        Raises:
            InputError: this pair cannot be animated; it is recorded and the evaluation continues.
            ParameterError: a setting is wrong; the evaluation stops.
        """


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of an evaluation.

    Attributes:
        drivings: the conditions to evaluate, some of `DRIVINGS`.
        seed: seed of the first pair; pair number i uses `seed + i`.
        limit: maximum number of pairs, or None for all.
        about: information copied into the report.
        more: additional metrics by name.
    """

    drivings: tuple[Driving, ...] = DRIVINGS
    seed: int = 0
    limit: int | None = None
    about: dict[str, Any] = field(default_factory=dict)
    more: Mapping[str, Metric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.drivings or not set(self.drivings) <= set(DRIVINGS):
            raise ParameterError(f"drivings is {self.drivings}; it must be some of {DRIVINGS}")


@dataclass(frozen=True)
class EvaluateProgress:
    """Number of finished animations, and the last one."""

    done: int
    total: int
    clip: ClipReport
    driving: Driving


def evaluate_pairs(
    pairs_dir: Path,
    animate: Animator,
    out: Path,
    options: EvaluateOptions | None = None,
    progress: Callable[[EvaluateProgress], None] | None = None,
) -> Report:
    """Animate every pair of a folder and measure it.

    The report is rewritten after each pair, so an interrupted run keeps its results. A contact
    sheet of each pair is written to `<out without .json>_sheets/`.

    Args:
        pairs_dir: folder of pairs, see `tcan_core.evaluation.pairs`.
        out: path of the JSON report.
        progress: called after each animation.

    Raises:
        MediaError: the folder holds no pairs, or one of them is damaged.
    """
    options = options or EvaluateOptions()
    pairs = read_pairs(pairs_dir, options.limit)
    sheets = out.with_name(f"{out.stem}_sheets")
    sheets.mkdir(parents=True, exist_ok=True)
    report = Report({"pairs": str(pairs_dir), "seed": options.seed} | options.about, [])
    total = len(pairs) * len(options.drivings)
    done = 0
    for index, pair in enumerate(pairs):
        truth = Truth.read(pair)
        clip = ClipReport(pair.name, len(truth.frames), finite_or_none(pair.proportion_gap()))
        measure = partial(truth.measure, more=options.more)
        clip.results[REPEAT_SOURCE] = measure(repeat_source(truth))
        results: dict[str, Frames] = {}
        for driving in options.drivings:
            _animate_one(animate, pair, driving, options.seed + index, measure, clip, results)
            done += 1
            if progress is not None:
                progress(EvaluateProgress(done, total, clip, driving))
        report.clips.append(clip)
        report.write(out)
        write_png(sheets / f"{pair.name}.png", pair_sheet(pair, truth, results))
    return report


def _animate_one(
    animate: Animator,
    pair: Pair,
    driving: Driving,
    seed: int,
    measure: Callable[[Frames], Metrics],
    clip: ClipReport,
    results: dict[str, Frames],
) -> None:
    """Animate a pair under one condition and record the outcome in its report."""
    start = time.perf_counter()
    try:
        result = animate(pair, driving, seed)
        clip.results[driving] = measure(result)
        results[driving] = result
    except ParameterError:
        raise  # a setting, not this pair
    except InputError as error:
        clip.errors[driving] = f"{error.code}: {error}"
    clip.seconds[driving] = round(time.perf_counter() - start, 3)
