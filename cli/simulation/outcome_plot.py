"""The two diagrams of a run: waits of jobs, and queue length and GPUs over time."""

from __future__ import annotations

from pathlib import Path

from cli.simulation.engine import Run
from cli.simulation.plot import Curve, Panel, staircase, write_plot


def plot_run(file: Path, run: Run) -> None:
    """Write both diagrams to a PNG file."""
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
