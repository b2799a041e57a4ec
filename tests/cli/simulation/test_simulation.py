"""The simulation against queueing theory, against the store's own turns, and against itself."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from cli.simulation.engine import simulate
from cli.simulation.outcome import Outcome, outcome, percentile
from cli.simulation.plot import plot_run
from cli.simulation.scenario import Arrival, Scenario, draw_arrivals
from cli.simulation.turns import Line, Turns
from service.contract.job import DrivingKind, JobInputs
from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.errors import SettingsError
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tcan_core.sampling.context_windows import context_windows
from tests.cli.conftest import Tcan

# One length, no preparing: renders of 10 s.
ONE = Scenario(
    frames=((10, 1.0),),
    steps=10,
    gpus=1,
    max_gpus=1,
    preparers=1,
    frame_step_s=0.1,
    render_frame_s=0.0,
    render_s=0.0,
    prepare_s=0.0,
    turnaround_s=0.0,
    prepare_frame_s=0.0,
)

# Eight windows, 16 minutes.
LONG = Arrival(0.0, 100, 75)


def result(scenario: Scenario) -> Outcome:
    return outcome(simulate(scenario))


@pytest.mark.parametrize("use", [0.5, pytest.param(0.8, marks=pytest.mark.long)])
def test_waits_of_one_gpu_match_queueing_theory(use: float) -> None:
    """M/D/1: the mean wait is use * service / (2 * (1 - use)), by Pollaczek and Khinchine."""
    summary = result(replace(ONE, jobs_per_hour=use * 360, hours=100 / use))
    assert summary.gpu_use == pytest.approx(use, rel=0.03)
    # By the use that was drawn: near full use the wait is many times as sensitive to it.
    real = summary.gpu_use
    assert summary.mean_wait_s == pytest.approx(real * 10 / (2 * (1 - real)), rel=0.05)


def test_cost_is_paid_time_over_made_video() -> None:
    summary = result(replace(ONE, jobs_per_hour=60, price_per_gpu_hour=2.0, fps=1.0))
    minutes = summary.jobs * 10 / 60
    assert summary.cost_per_video_minute == pytest.approx(summary.gpu_hours * 2.0 / minutes)


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    assert result(Scenario(seed=4)) == result(Scenario(seed=4))
    assert result(Scenario(seed=4)) != result(Scenario(seed=5))


def test_more_gpus_come_when_jobs_wait_and_go_when_idle() -> None:
    busy = replace(ONE, jobs_per_hour=900, max_gpus=8, start_s=60.0)
    alone, scaled = result(replace(busy, max_gpus=1)), result(busy)
    assert scaled.most_gpus > 1
    assert scaled.mean_wait_s < alone.mean_wait_s / 10
    late = result(replace(busy, start_s=600.0))
    assert late.mean_wait_s > scaled.mean_wait_s


def test_surplus_gpus_are_released_one_by_one() -> None:
    """Release as the HPA of the manifests: after five calm minutes one in two, the newest first."""
    flood = [Arrival(0.0, 10, 10) for _ in range(100)]
    late = [Arrival(2_500.0 + at_s, 10, 10) for at_s in (0.0, 1.0)]
    run = simulate(replace(ONE, max_gpus=8, start_s=60.0), [*flood, *late])
    gone_s = [gpu.gone_s for gpu in reversed(run.gpus) if not math.isnan(gpu.gone_s)]
    assert len(run.gpus) == 9 and len(gone_s) == 7  # of the nine one came for the last two jobs
    assert {later - one for one, later in pairwise(gone_s)} == {120.0}
    ended_s = max(job.ended_s for job in run.jobs[:100])
    assert 290.0 <= gone_s[0] - ended_s <= 310.0


def test_job_of_a_released_gpu_moves_to_another_one() -> None:
    """A second GPU comes for a long job, and goes when the first one has been free for long."""
    run = simulate(replace(ONE, max_gpus=2, start_s=0.0), [Arrival(0.0, 16, 10), LONG])
    first, second = run.gpus
    assert second.gone_s - 16.0 == pytest.approx(300.0, abs=20.0)
    assert second.busy_s == second.gone_s - 10.0 and math.isnan(first.gone_s)
    assert first.busy_s + second.busy_s == pytest.approx(16 + 960), "nothing is done twice"
    assert run.jobs[1].ended_s == pytest.approx(10 + 960)
    assert outcome(run).losses == 0


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 28, 29, 32, 64, 160, 1000])
@pytest.mark.parametrize(("size", "overlap"), [(16, 4), (24, 0), (8, 7)])
def test_windows_are_cut_as_the_model_cuts_them(frames: int, size: int, overlap: int) -> None:
    scenario = Scenario(context_size=size, context_overlap=overlap)
    assert scenario.window_frames(frames) == sum(map(len, context_windows(frames, size, overlap)))


def test_preempted_jobs_finish_and_lose_only_the_pause() -> None:
    calm = replace(ONE, jobs_per_hour=180, gpus=4, max_gpus=4, start_s=30.0)
    run = simulate(replace(calm, preemptions_per_gpu_hour=5.0))
    summary = outcome(run)
    assert summary.losses > 10
    assert not any(math.isnan(job.ended_s) for job in run.jobs)
    work_s = sum(gpu.busy_s for gpu in run.gpus)
    assert work_s == pytest.approx(10.0 * summary.jobs)
    assert summary.mean_wait_s > result(calm).mean_wait_s


def test_a_caller_with_few_jobs_does_not_wait_behind_one_with_many() -> None:
    flood = [Arrival(0.0, 10, 10, "big") for _ in range(50)]
    summary = outcome(simulate(ONE, [*flood, Arrival(1.0, 10, 10, "small")]))
    assert summary.callers_wait_s["small"] < 25 < summary.callers_wait_s["big"]


def test_turns_match_those_of_the_job_store(jobs: JobStore) -> None:
    """Store and simulation claim the same jobs in the same order, with several callers per class.

    Jobs of one unit and backlogs of twenty show whether every job moves the clock, or only work.
    """
    chance, turns = random.Random(2), Turns()  # nosec B311
    lines = {queue: Line() for queue in Queue}
    made: list[tuple[Arrival, tuple[int, int]]] = []
    taken: list[int] = []
    while len(taken) < 400:
        if len(made) < 200 and chance.random() < 0.6:
            priority, burst = chance.choice(list(Priority)), chance.choice((1, 1, 20))
            caller = chance.choice("abcd")
            for _ in range(burst):
                arrival = Arrival(0.0, chance.randint(1, 3), 1, caller, priority)
                turn = turns.assign(caller, priority, arrival.frames)
                lines[Queue.PREPARE].add(turn, len(made))
                made.append((arrival, turn))
                submit(jobs, f"{len(made) - 1:03}", arrival)
        for queue in chance.sample(list(Queue), 2):
            number, record = lines[queue].pop(), jobs.run(commands.claim_next(queue, "w", 60_000))
            assert number == (None if record is None else int(record.id))
            if number is None or record is None:
                continue
            taken.append(number)
            arrival, turn = made[number]
            if queue is Queue.PREPARE:
                lines[Queue.RENDER].add(turn, number)
                jobs.run(commands.hand_over(record.id, record.token, Queue.RENDER, "a/b", []))
            else:
                turns.begin(arrival.caller, arrival.priority, turn)
                jobs.run(commands.succeed(record.id, record.token, {}, []))
    assert len({(one.caller, one.priority) for one, _ in made}) == 12
    assert taken != sorted(taken), "the order is not that of their making"


def submit(jobs: JobStore, job_id: str, arrival: Arrival) -> None:
    """Make the job in the store."""
    inputs = JobInputs(driving="a/b", driving_kind=DrivingKind.VIDEO, frames=arrival.frames)
    options = JobOptions(priority=arrival.priority)
    call = commands.create(
        job_id, JobParams(num_inference_steps=1), inputs, options=options, caller=arrival.caller
    )
    jobs.run(call)


def test_classes_request_gpus_as_in_the_manifests() -> None:
    """Forty jobs of class low are worth two GPUs, twenty of class normal ten more than one."""
    for priority, most in ((Priority.LOW, 2), (Priority.NORMAL, 8), (Priority.HIGH, 8)):
        jobs = [Arrival(0.0, 10, 10, "a", priority) for _ in range(41)]
        assert outcome(simulate(replace(ONE, max_gpus=8, start_s=60.0), jobs)).most_gpus == most


def test_classes_are_drawn_and_the_jobs_stay_the_same() -> None:
    mixed = Scenario(jobs_per_hour=500, priorities=(("high", 1.0), ("low", 3.0)))
    drawn, plain = (
        draw_arrivals(mixed),
        draw_arrivals(replace(mixed, priorities=(("normal", 1.0),))),
    )
    assert [one.at_s for one in drawn] == [one.at_s for one in plain]
    high = sum(one.priority is Priority.HIGH for one in drawn) / len(drawn)
    assert high == pytest.approx(0.25, abs=0.03)
    with pytest.raises(SettingsError, match="must be one of high, normal, low"):
        Scenario(priorities=(("urgent", 1.0),))


def test_percentiles_and_impossible_scenarios() -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0], 50) == 2.0
    assert percentile([], 99) == 0.0
    with pytest.raises(SettingsError, match="max_gpus is 1; it must be at least 2"):
        Scenario(gpus=2, max_gpus=1)
    with pytest.raises(SettingsError, match=r"context_overlap is 16; .* 0\.\.15"):
        Scenario(context_overlap=16)
    with pytest.raises(SettingsError, match="jobs_per_hour is 0"):
        Scenario(jobs_per_hour=0)
    with pytest.raises(SettingsError, match="callers need weights"):
        Scenario(callers=())


def test_arrivals_have_the_given_rate() -> None:
    arrivals = draw_arrivals(Scenario(jobs_per_hour=1000, hours=4, callers=(("a", 3), ("b", 1))))
    assert len(arrivals) == pytest.approx(4000, rel=0.05)
    assert sum(one.caller == "a" for one in arrivals) / len(arrivals) == pytest.approx(
        0.75, abs=0.03
    )


def test_the_command_prints_and_draws(tcan: Tcan, tmp_path: Path) -> None:
    words = [
        "simulate",
        "--hours",
        "1",
        "--callers",
        "a:1,b:2",
        "--priorities",
        "high:1,low:1",
        "--plot",
        str(tmp_path / "p.png"),
    ]
    done = tcan(*words)
    assert done.code == 0, done.err
    assert "mean wait" in done.out and "cost of a video-minute" in done.out
    with Image.open(tmp_path / "p.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 4
    assert tcan("simulate", "--frames", "75").code == 2


def test_a_plot_shows_a_run(tmp_path: Path) -> None:
    plot_run(tmp_path / "a.png", simulate(ONE, [Arrival(0.0, 10, 10), Arrival(1.0, 10, 10)]))
    plot_run(tmp_path / "b.png", simulate(ONE, [Arrival(0.0, 10, 10)]))
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
