"""Simple line plots as PNG, drawn with Pillow, and the two diagrams of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cli.simulation.engine import Run

Point = tuple[float, float]
WIDTH, HEIGHT, MARGIN = 760, 300, 56
INK, GRID, PAPER = (30, 34, 40), (224, 228, 232), (255, 255, 255)
COLORS = ((31, 92, 168), (204, 88, 30), (44, 130, 84))
TICKS = 5


@dataclass(frozen=True)
class Curve:
    """A named curve."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Panel:
    """A diagram with a title and curves."""

    title: str
    x_name: str
    curves: Sequence[Curve]


def plot_run(file: Path, run: Run) -> None:
    """Write diagrams of the jobs' waits, and of queue length and GPUs over time, to a PNG."""
    waits = [job.waited_s for job in run.jobs]
    totals = [job.ended_s - job.arrival.at_s for job in run.jobs]
    hours = [(at_s / 3600, waiting, gpus) for at_s, waiting, gpus in run.depth]
    write_plot(
        file,
        (
            Panel(
                "share of jobs that took at most this long",
                "seconds",
                (Curve("in queues", staircase(waits)), Curve("to the result", staircase(totals))),
            ),
            Panel(
                "jobs that wait for a GPU, and GPUs",
                "hours",
                (
                    Curve("waiting", [(hour, waiting) for hour, waiting, _ in hours]),
                    Curve("GPUs", [(hour, gpus) for hour, _, gpus in hours]),
                ),
            ),
        ),
    )


def write_plot(file: Path, panels: Sequence[Panel]) -> None:
    """Draw panels below each other into a PNG file."""
    image = Image.new("RGB", (WIDTH, HEIGHT * len(panels)), PAPER)
    pen = ImageDraw.Draw(image)
    for index, panel in enumerate(panels):
        _draw(pen, panel, index * HEIGHT)
    image.save(file)


def _draw(pen: ImageDraw.ImageDraw, panel: Panel, top: int) -> None:
    font = ImageFont.load_default(13)
    points = [point for curve in panel.curves for point in curve.points]
    max_x = max((x for x, _ in points), default=1.0) or 1.0
    max_y = max((y for _, y in points), default=1.0) or 1.0
    left, right = MARGIN, WIDTH - 16
    high, low = top + 36, top + HEIGHT - 44

    def place(point: Point) -> Point:
        x = left + (right - left) * point[0] / max_x
        return x, low - (low - high) * point[1] / max_y

    pen.text((left, top + 10), panel.title, INK, font)
    for tick in range(TICKS + 1):
        x, y = place((max_x * tick / TICKS, max_y * tick / TICKS))
        pen.line([(left, y), (right, y)], GRID)
        pen.text((left - 6, y), f"{max_y * tick / TICKS:.3g}", INK, font, anchor="rm")
        pen.text((x, low + 6), f"{max_x * tick / TICKS:.3g}", INK, font, anchor="ma")
    pen.text(((left + right) / 2, low + 24), panel.x_name, INK, font, anchor="ma")
    for number, curve in enumerate(panel.curves):
        color = COLORS[number % len(COLORS)]
        pen.line([place(point) for point in curve.points], color, 2)
        pen.text((right - 4, high + 4 + 18 * number), curve.name, color, font, anchor="ra")


def staircase(values: Sequence[float]) -> list[Point]:
    """Return the share of values that do not exceed x, as a curve."""
    ordered = sorted(values)
    points: list[Point] = [(0.0, 0.0)]
    for index, value in enumerate(ordered):
        points += [(value, index / len(ordered)), (value, (index + 1) / len(ordered))]
    return points
