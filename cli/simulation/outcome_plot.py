"""The two diagrams of a run: how long jobs waited, and what the hours looked like."""

from __future__ import annotations

from pathlib import Path

from cli.simulation.engine import Run
from cli.simulation.plot import Curve, Panel, staircase, write_plot


def plot_run(file: Path, run: Run) -> None:
    """Write them as a PNG."""
    waits = [job.waited_s for job in run.jobs]
    totals = [job.ended_s - job.arrival.at_s for job in run.jobs]
    hours = [(at_s / 3600, waiting, gpus) for at_s, waiting, gpus in run.depth]
    write_plot(
        file,
        (
            Panel(
                "part of the jobs that took at most so long",
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
