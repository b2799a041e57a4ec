"""The simulation against the real service: the same jobs at the same moments, and the mean wait.

    OMP_NUM_THREADS=1 python docs/benchmarks/simulation/check.py [--jobs 120] [--seed 1]
        [--steps 10] [--calibration 8]

Starts the embedded service with two workers of `mini`, each serving both queues. Some jobs, sent
together, measure what a stage takes, by the driver's length, and how soon a worker takes the next.
Then a seeded Poisson stream of other jobs goes through the service, at a rate that these times
give; then jobs like the first ones are measured again. The simulation is given the times of both
calibrations and the moments of the stream's submits. The times are of busy workers, for that is
when jobs wait, and two workers on two cores slow each other. Prints a table, writes check.png
beside itself, and ends with 1 when the mean waits differ by more than 15 %. A machine's speed
drifts, and a wait changes by several times as much as the work: so it is measured on both sides of
the stream, and what the simulation says by the times from before alone is printed too, and what it
says when each job takes what it took: the difference that is left then is its own. What it is at
goes to the standard error output. It needs a machine with nothing else to do, and a quarter of an
hour of it; fewer steps and jobs show that it runs, not how far the simulation is off.
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
from service.client import Client
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobView
from tcan_core.puppets.pairs import render_pair

HERE = Path(__file__).parent
LENGTHS = ((16, 3.0), (32, 2.0), (64, 1.0))
WORKERS = 2
# Of the two workers' time: with more, a percent of work is five of waiting; with less, few wait.
LOAD = 0.6
ALLOWED = 0.15

Pairs = dict[int, tuple[Path, Path]]


class Times(NamedTuple):
    """What a stage takes, by the names of `Scenario`; and what lies between two."""

    prepare_s: float
    prepare_frame_s: float
    render_s: float
    render_frame_s: float
    frame_step_s: float
    turnaround_s: float


class Calibration(NamedTuple):
    """Jobs that were sent together, and the frames of each."""

    jobs: list[JobView]
    frames: list[int]

    def turnaround_s(self) -> float:
        """The workers' time beside stages, for each stage; at the end one idles for the other."""
        began = min(job.created_at for job in self.jobs)
        ends_s = sorted((job.ended_at - began).total_seconds() for job in self.jobs if job.ended_at)
        work_s = sum(job.timings.prepare_s + job.timings.render_s for job in self.jobs)
        return max(0.0, (ends_s[-1] + ends_s[-2] - work_s) / (2 * len(self.jobs)))


@dataclass(frozen=True)
class Replay(Scenario):
    """A scenario in which each job takes what it took.

    Attributes:
        jobs: as they were planned, and as they ended.
    """

    jobs: tuple[tuple[Arrival, JobView], ...] = ()

    def render_time_s(self, arrival: Arrival) -> float:
        return self._seen(arrival).timings.render_s

    def prepare_time_s(self, arrival: Arrival) -> float:
        return self._seen(arrival).timings.prepare_s

    def _seen(self, arrival: Arrival) -> JobView:
        return next(job for planned, job in self.jobs if planned is arrival)


def main() -> int:
    """Measure, simulate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10, help="denoising steps of each job")
    parser.add_argument("--calibration", type=int, default=8, help="measured jobs of each length")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcan-sim-")))
        pairs: Pairs = {frames: _pair(folder, frames) for frames, _ in LENGTHS}
        service = stack.enter_context(Stack(folder / "service", "127.0.0.1", 0))
        second = _second_worker(folder / "service")
        stack.callback(second.join, 10.0)
        stack.callback(second.terminate)
        client = stack.enter_context(Client(service.url))
        say("the service starts")
        service.wait_ready()
        _wait_for_workers(service.url)
        warm_up(client, pairs, chosen.steps)
        before = calibrate(client, pairs, chosen.steps, chosen.calibration)
        first = scenario(fit([before], chosen.steps), chosen)
        planned = plan(first, chosen.jobs)
        seen, arrivals = real_run(client, pairs, planned)
        after = calibrate(client, pairs, chosen.steps, chosen.calibration)
        say("the parts stop")
    times = fit([before, after], chosen.steps)
    one = scenario(times, chosen)
    print("times:", json.dumps({name: round(value, 4) for name, value in times._asdict().items()}))
    run = simulate(one, arrivals)
    replay = Replay(**vars(one), jobs=tuple(zip(arrivals, seen, strict=True)))
    print(
        f"each job as long as it was: {off(simulate(replay, arrivals), seen):+.1%} of the real wait"
    )
    print(f"by the times from before alone: {off(simulate(first, arrivals), seen):+.1%}")
    return report(seen, run)


def say(what: str) -> None:
    """Tell whoever waits what it is at."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _pair(folder: Path, frames: int) -> tuple[Path, Path]:
    """A picture, and a pose file of so many frames."""
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


def _ended(client: Client, job_id: str) -> JobView:
    job = client.wait(job_id)
    assert job.status is JobState.SUCCEEDED, job.error
    return job


def warm_up(client: Client, pairs: Pairs, steps: int) -> None:
    """The first job of a process is slower."""
    for length, _ in LENGTHS:
        say(f"warming up: two jobs of {length} frames")
        for job_id in [_submit(client, pairs, length, steps) for _ in range(2)]:
            _ended(client, job_id)


def calibrate(client: Client, pairs: Pairs, steps: int, of_each: int) -> Calibration:
    """Jobs of every length, sent together, so that both workers are busy from first to last."""
    frames = [length for length, _ in LENGTHS for _ in range(of_each)]
    order = np.random.default_rng(0).permutation(frames).tolist()
    say(f"calibrating: {len(order)} jobs")
    ids = [_submit(client, pairs, length, steps) for length in order]
    return Calibration([_ended(client, one) for one in ids], order)


def fit(calibrations: Sequence[Calibration], steps: int) -> Times:
    """Least squares: denoising by the frames of all windows, the rest by those of the video."""
    timings = [job.timings for one in calibrations for job in one.jobs]
    frames = [count for one in calibrations for count in one.frames]
    denoise_s = [one.stages["denoise"] for one in timings]
    rest_s = [one.render_s - part for one, part in zip(timings, denoise_s, strict=True)]
    work = [Scenario().window_frames(count) * steps for count in frames]
    prepare_s, prepare_frame_s = _line(frames, [one.prepare_s for one in timings])
    fixed_s, frame_step_s = _line(work, denoise_s)
    besides_s, render_frame_s = _line(frames, rest_s)
    turnaround_s = mean(one.turnaround_s() for one in calibrations)
    render_s = fixed_s + besides_s
    return Times(prepare_s, prepare_frame_s, render_s, render_frame_s, frame_step_s, turnaround_s)


def _line(of: Sequence[int], took: Sequence[float]) -> tuple[float, float]:
    """A constant and a slope, neither below 0."""
    design = np.stack([np.ones(len(of)), np.array(of, float)], axis=1)
    constant, slope = np.linalg.lstsq(design, np.array(took))[0].tolist()
    return max(0.0, constant), max(0.0, slope)


def scenario(times: Times, chosen: argparse.Namespace) -> Scenario:
    """The deployment: two workers that serve both queues."""
    return Scenario(
        seed=chosen.seed,
        frames=LENGTHS,
        steps=chosen.steps,
        gpus=WORKERS,
        max_gpus=WORKERS,
        preparers=0,
        **times._asdict(),
    )


def plan(one: Scenario, jobs: int) -> list[Arrival]:
    """A Poisson stream that keeps the workers busy for LOAD of their time."""
    total = sum(weight for _, weight in LENGTHS)
    usual_s = sum(
        weight * (one.render_time_s(job) + one.prepare_time_s(job))
        for job, weight in ((Arrival(0.0, frames, one.steps), w) for frames, w in LENGTHS)
    )
    per_hour = 3600 * WORKERS * LOAD / (usual_s / total)
    return draw_arrivals(replace(one, jobs_per_hour=per_hour, hours=2 * jobs / per_hour))[:jobs]


def real_run(
    client: Client, pairs: Pairs, planned: Sequence[Arrival]
) -> tuple[list[JobView], list[Arrival]]:
    """Submit at the planned moments; the ended jobs, and when they were truly made."""
    began_s, ids = time.monotonic(), []
    say(f"{len(planned)} jobs come over {planned[-1].at_s:.0f} s")
    for arrival in planned:
        time.sleep(max(0.0, began_s + arrival.at_s - time.monotonic()))
        ids.append(_submit(client, pairs, arrival.frames, arrival.steps))
        if len(ids) % 10 == 0:
            say(f"{len(ids)} of {len(planned)} jobs are submitted")
    ended = []
    for job_id in ids:
        ended.append(_ended(client, job_id))
        if len(ended) % 10 == 0:
            say(f"{len(ended)} of {len(planned)} jobs have ended")
    first = ended[0].created_at
    arrivals = [
        replace(planned_one, at_s=(job.created_at - first).total_seconds())
        for job, planned_one in zip(ended, planned, strict=True)
    ]
    return ended, arrivals


def off(run: Run, seen: Sequence[JobView]) -> float:
    """How far the simulated mean wait is from the real one, as a part of it."""
    return mean(job.waited_s for job in run.jobs) / mean(job.timings.waited_s for job in seen) - 1


def report(seen: Sequence[JobView], run: Run) -> int:
    """Print both, draw both; 1 when they differ by more than is allowed."""
    real_s = [job.timings.waited_s for job in seen]
    simulated_s = [job.waited_s for job in run.jobs]
    work_s = sum(job.timings.prepare_s + job.timings.render_s for job in seen)
    print(f"{len(seen)} jobs in {run.now_s:.0f} s, workers busy {work_s / WORKERS / run.now_s:.2f}")
    print("\n| | real | simulated |\n|---|---|---|")
    print(f"| mean wait, s | {mean(real_s):.2f} | {mean(simulated_s):.2f} |")
    for percent in (50, 90, 95):
        values = (percentile(real_s, percent), percentile(simulated_s, percent))
        print(f"| p{percent}, s | {values[0]:.2f} | {values[1]:.2f} |")
    print(f"\nmean wait: simulated is {off(run, seen):+.1%} of real; allowed {ALLOWED:.0%}")
    curves = (Curve("real", staircase(real_s)), Curve("simulated", staircase(simulated_s)))
    title = f"part of the jobs that waited at most so long ({len(seen)} jobs, 2 workers)"
    write_plot(HERE / "check.png", [Panel(title, "seconds", curves)])
    return int(abs(off(run, seen)) > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
