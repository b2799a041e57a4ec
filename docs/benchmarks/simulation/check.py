"""Compare the simulation's mean wait with that of the real service, for the same jobs.

    OMP_NUM_THREADS=1 python docs/benchmarks/simulation/check.py [--jobs 120] [--seed 1]
        [--steps 10] [--calibration 8]

1. Starts the embedded service with two workers of `mini`, each serving both queues.
2. Calibrates: jobs sent together measure the time of each stage by the length of the driving video,
   and the time between two jobs, with both workers busy.
3. Sends a seeded Poisson stream of jobs at a rate that follows from these times.
4. Calibrates again, since a machine's speed drifts and waits amplify it.
5. Simulates the stream with the times of both calibrations and the real moments of the submits.

Prints a table, writes check.png to this folder, and exits with 1 if the mean waits differ by more
than 15 %. Also prints the differences with the times of the first calibration only, and with the
real time of each job, which shows the error of the simulation itself. Progress goes to the standard
error output. Takes a quarter of an hour on an idle machine; with fewer steps and jobs the result is
not meaningful.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np

from cli.embedded.part import Part
from cli.embedded.stack import Stack, tcan
from cli.simulation.engine import Run, simulate
from cli.simulation.outcome import percentile
from cli.simulation.plot import Curve, Panel, staircase, write_plot
from cli.simulation.scenario import Arrival, Scenario, draw_arrivals
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobView
from tcan_client import Client
from tcan_core.puppets.pairs import render_pair

HERE = Path(__file__).parent
LENGTHS = ((16, 3.0), (32, 2.0), (64, 1.0))
WORKERS = 2
# Share of the workers' time: above it, 1 % more work makes 5 % more waiting; below, few jobs wait.
LOAD = 0.6
MAX_DIFFERENCE = 0.15

Pairs = dict[int, tuple[Path, Path]]


class Times(NamedTuple):
    """Times of the stages, with the names of `Scenario`, and the time between two jobs."""

    prepare_s: float
    prepare_frame_s: float
    render_s: float
    render_frame_s: float
    frame_step_s: float
    turnaround_s: float


class Calibration(NamedTuple):
    """Jobs that were sent together, and the number of frames of each."""

    jobs: list[JobView]
    frames: list[int]

    def turnaround_s(self) -> float:
        """Return the workers' time between stages, per stage; idle time at the end is excluded."""
        began = min(job.created_at for job in self.jobs)
        ends_s = sorted((job.ended_at - began).total_seconds() for job in self.jobs if job.ended_at)
        work_s = sum(job.timings.prepare_s + job.timings.render_s for job in self.jobs)
        return max(0.0, (ends_s[-1] + ends_s[-2] - work_s) / (2 * len(self.jobs)))


@dataclass(frozen=True)
class Replay(Scenario):
    """A scenario in which each job takes its real time.

    Attributes:
        jobs: planned arrivals with the ended jobs.
    """

    jobs: tuple[tuple[Arrival, JobView], ...] = ()

    def render_time_s(self, arrival: Arrival) -> float:
        return self._job(arrival).timings.render_s

    def prepare_time_s(self, arrival: Arrival) -> float:
        return self._job(arrival).timings.prepare_s

    def _job(self, arrival: Arrival) -> JobView:
        return next(job for planned, job in self.jobs if planned is arrival)


def main() -> int:
    """Measure, simulate and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10, help="denoising steps of each job")
    parser.add_argument("--calibration", type=int, default=8, help="measured jobs of each length")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcan-sim-")))
        pairs: Pairs = {frames: _pair(folder, frames) for frames, _ in LENGTHS}
        service = stack.enter_context(Stack(folder / "service", "127.0.0.1", 0))
        second = _second_worker(folder / "service")
        stack.callback(second.join, 10.0)
        stack.callback(second.terminate)
        client = stack.enter_context(Client(service.url))
        log("starting the service")
        service.wait_ready()
        _wait_for_workers(service.url)
        warm_up(client, pairs, options.steps)
        before = calibrate(client, pairs, options.steps, options.calibration)
        first = scenario(fit([before], options.steps), options)
        planned = plan(first, options.jobs)
        jobs, arrivals = real_run(client, pairs, planned)
        after = calibrate(client, pairs, options.steps, options.calibration)
        log("stopping the service")
    times = fit([before, after], options.steps)
    one = scenario(times, options)
    print("times:", json.dumps({name: round(value, 4) for name, value in times._asdict().items()}))
    run = simulate(one, arrivals)
    replay = Replay(**vars(one), jobs=tuple(zip(arrivals, jobs, strict=True)))
    print(f"with the real time of each job: {wait_error(simulate(replay, arrivals), jobs):+.1%}")
    print(f"with the first calibration only: {wait_error(simulate(first, arrivals), jobs):+.1%}")
    return report(jobs, run)


def log(message: str) -> None:
    """Print a progress message."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def _pair(folder: Path, frames: int) -> tuple[Path, Path]:
    """Write an image and a pose file of this many frames."""
    target = folder / f"pair{frames}"
    render_pair(target, 1_000_000 + frames, frames, 64)
    return target / "source.png", target / "driving_pose.json"


def _second_worker(data: Path) -> Part:
    part = Part("second worker", tcan("worker"), data / "logs/second.log", {"TCAN_DATA": str(data)})
    part.start()
    return part


def _wait_for_workers(url: str) -> None:
    import httpx

    while sum(worker["ready"] for worker in httpx.get(f"{url}/readyz").json()["workers"]) < WORKERS:
        time.sleep(0.2)


def _submit(client: Client, pairs: Pairs, frames: int, steps: int) -> str:
    image, driving = pairs[frames]
    params = JobParams(seed=frames, num_inference_steps=steps)
    return client.submit(image, driving, params).id


def _wait_for_success(client: Client, job_id: str) -> JobView:
    job = client.wait(job_id)
    assert job.status is JobState.SUCCEEDED, job.error
    return job


def warm_up(client: Client, pairs: Pairs, steps: int) -> None:
    """Run two jobs of each length, since the first job of a process is slower."""
    for length, _ in LENGTHS:
        log(f"warming up: two jobs of {length} frames")
        for job_id in [_submit(client, pairs, length, steps) for _ in range(2)]:
            _wait_for_success(client, job_id)


def calibrate(client: Client, pairs: Pairs, steps: int, per_length: int) -> Calibration:
    """Send jobs of every length together, so that both workers stay busy."""
    frames = [length for length, _ in LENGTHS for _ in range(per_length)]
    order = np.random.default_rng(0).permutation(frames).tolist()
    log(f"calibrating: {len(order)} jobs")
    ids = [_submit(client, pairs, length, steps) for length in order]
    return Calibration([_wait_for_success(client, one) for one in ids], order)


def fit(calibrations: Sequence[Calibration], steps: int) -> Times:
    """Fit times by least squares: denoising by frames of windows, the rest by frames of videos."""
    timings = [job.timings for one in calibrations for job in one.jobs]
    frames = [count for one in calibrations for count in one.frames]
    denoise_s = [one.stages["denoise"] for one in timings]
    other_s = [one.render_s - part for one, part in zip(timings, denoise_s, strict=True)]
    work = [Scenario().window_frames(count) * steps for count in frames]
    prepare_s, prepare_frame_s = _line(frames, [one.prepare_s for one in timings])
    fixed_s, frame_step_s = _line(work, denoise_s)
    constant_s, render_frame_s = _line(frames, other_s)
    turnaround_s = mean(one.turnaround_s() for one in calibrations)
    render_s = fixed_s + constant_s
    return Times(prepare_s, prepare_frame_s, render_s, render_frame_s, frame_step_s, turnaround_s)


def _line(sizes: Sequence[int], times_s: Sequence[float]) -> tuple[float, float]:
    """Fit a constant and a slope, neither below 0."""
    design = np.stack([np.ones(len(sizes)), np.array(sizes, float)], axis=1)
    constant, slope = np.linalg.lstsq(design, np.array(times_s))[0].tolist()
    return max(0.0, constant), max(0.0, slope)


def scenario(times: Times, options: argparse.Namespace) -> Scenario:
    """Return the deployment: two workers that serve both queues."""
    return Scenario(
        seed=options.seed,
        frames=LENGTHS,
        steps=options.steps,
        gpus=WORKERS,
        max_gpus=WORKERS,
        preparers=0,
        **times._asdict(),
    )


def plan(one: Scenario, jobs: int) -> list[Arrival]:
    """Draw a Poisson stream that keeps the workers busy for LOAD of their time."""
    total = sum(weight for _, weight in LENGTHS)
    weighted_s = sum(
        weight * (one.render_time_s(job) + one.prepare_time_s(job))
        for job, weight in ((Arrival(0.0, frames, one.steps), w) for frames, w in LENGTHS)
    )
    per_hour = 3600 * WORKERS * LOAD / (weighted_s / total)
    return draw_arrivals(replace(one, jobs_per_hour=per_hour, hours=2 * jobs / per_hour))[:jobs]


def real_run(
    client: Client, pairs: Pairs, planned: Sequence[Arrival]
) -> tuple[list[JobView], list[Arrival]]:
    """Submit at the planned moments; return the ended jobs and their real arrivals."""
    began_s, ids = time.monotonic(), []
    log(f"{len(planned)} jobs will be submitted over {planned[-1].at_s:.0f} s")
    for arrival in planned:
        time.sleep(max(0.0, began_s + arrival.at_s - time.monotonic()))
        ids.append(_submit(client, pairs, arrival.frames, arrival.steps))
        if len(ids) % 10 == 0:
            log(f"{len(ids)} of {len(planned)} jobs are submitted")
    ended_jobs = []
    for job_id in ids:
        ended_jobs.append(_wait_for_success(client, job_id))
        if len(ended_jobs) % 10 == 0:
            log(f"{len(ended_jobs)} of {len(planned)} jobs have ended")
    first = ended_jobs[0].created_at
    arrivals = [
        replace(planned_one, at_s=(job.created_at - first).total_seconds())
        for job, planned_one in zip(ended_jobs, planned, strict=True)
    ]
    return ended_jobs, arrivals


def wait_error(run: Run, jobs: Sequence[JobView]) -> float:
    """Return the relative difference of the simulated mean wait from the real one."""
    return mean(job.waited_s for job in run.jobs) / mean(job.timings.waited_s for job in jobs) - 1


def report(jobs: Sequence[JobView], run: Run) -> int:
    """Print and plot the waits; return 1 if the means differ by more than the limit."""
    real_s = [job.timings.waited_s for job in jobs]
    simulated_s = [job.waited_s for job in run.jobs]
    work_s = sum(job.timings.prepare_s + job.timings.render_s for job in jobs)
    print(f"{len(jobs)} jobs in {run.now_s:.0f} s, workers busy {work_s / WORKERS / run.now_s:.2f}")
    print("\n| | real | simulated |\n|---|---|---|")
    print(f"| mean wait, s | {mean(real_s):.2f} | {mean(simulated_s):.2f} |")
    for percent in (50, 90, 95):
        values = (percentile(real_s, percent), percentile(simulated_s, percent))
        print(f"| p{percent}, s | {values[0]:.2f} | {values[1]:.2f} |")
    print(f"\nerror of the mean wait: {wait_error(run, jobs):+.1%}; limit {MAX_DIFFERENCE:.0%}")
    curves = (Curve("real", staircase(real_s)), Curve("simulated", staircase(simulated_s)))
    title = f"share of jobs that waited at most this long ({len(jobs)} jobs, 2 workers)"
    write_plot(HERE / "check.png", [Panel(title, "seconds", curves)])
    return int(abs(wait_error(run, jobs)) > MAX_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
