"""The simulation engine, whose clock jumps from event to event."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from cli.simulation.scenario import Arrival, Scenario, draw_arrivals
from cli.simulation.turns import Line, Turn, Turns
from service.contract.options import Priority
from service.contract.queues import Queue

# KEDA's polling interval.
POLL_S = 10.0
# Waiting jobs of a class per requested worker: the triggers in deploy/kubernetes/base/scaling.yaml.
# Class `low` is a trigger of its own; the larger request counts.
WAITING_PER_GPU = {Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 20}


@dataclass
class Job:
    """A job in progress.

    Attributes:
        waited_s: total time in queues.
        left_s: remaining work of its current stage.
    """

    arrival: Arrival
    turn: Turn
    queue: Queue = Queue.PREPARE
    left_s: float = 0.0
    since_s: float = 0.0
    waited_s: float = 0.0
    ended_s: float = math.nan
    losses: int = 0


@dataclass
class Worker:
    """One worker, on a GPU or only for preparing jobs."""

    queues: tuple[Queue, ...]
    paid_from_s: float
    takes_from_s: float
    job: int | None = None
    began_s: float = 0.0
    busy_s: float = 0.0
    gone_s: float = math.nan
    asked: int = 0
    stint: int = 0


@dataclass
class Run:
    """One run of a scenario. `go` executes it; `jobs` and `gpus` have the results."""

    scenario: Scenario
    arrivals: Sequence[Arrival]
    now_s: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    gpus: list[Worker] = field(default_factory=list)
    preparers: list[Worker] = field(default_factory=list)
    depth: list[tuple[float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._turns = Turns()
        self._lines = {queue: Line() for queue in Queue}
        # A separate generator, so that preemptions do not depend on the number of jobs.
        self._chance = random.Random(f"{self.scenario.seed} preemptions")  # nosec B311
        self._done = 0
        self._requests: deque[tuple[float, int]] = deque()
        self._shrunk_s = -math.inf

    def go(self) -> None:
        """Run from the first job to the end of the last one."""
        both = tuple(Queue) if self.scenario.preparers == 0 else (Queue.RENDER,)
        for _ in range(self.scenario.gpus):
            self._add_gpu(both, start_s=0.0)
        for _ in range(self.scenario.preparers):
            self.preparers.append(Worker((Queue.PREPARE,), 0.0, 0.0))
        for arrival in self.arrivals:
            self._at(arrival.at_s, partial(self._arrive, arrival))
        self._at(0.0, self._scale)
        while self._done < len(self.arrivals):
            self.now_s, _, event = heapq.heappop(self._events)
            event()

    def _at(self, when_s: float, event: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (when_s, self._number, event))

    # --- jobs
    def _arrive(self, arrival: Arrival) -> None:
        units = arrival.frames * arrival.steps
        turn = self._turns.assign(arrival.caller, arrival.priority, units)
        self.jobs.append(Job(arrival, turn))
        self._wait(len(self.jobs) - 1, Queue.PREPARE, self.scenario.prepare_time_s(arrival))

    def _wait(self, number: int, queue: Queue, left_s: float) -> None:
        job = self.jobs[number]
        job.queue, job.left_s, job.since_s = queue, left_s, self.now_s
        self._lines[queue].add(job.turn, number)
        for worker in (*self.preparers, *self.gpus):
            if self._is_free(worker) and queue in worker.queues:
                self._claim(worker)
                return

    def _claim_if_free(self, worker: Worker) -> None:
        if self._is_free(worker):
            self._claim(worker)

    def _claim(self, worker: Worker) -> None:
        """Claim the next job of the worker's queues, polled in turn as by its broker connection."""
        for _ in worker.queues:
            queue = worker.queues[worker.asked % len(worker.queues)]
            worker.asked += 1
            number = self._lines[queue].pop()
            if number is not None:
                self._begin(worker, number)
                return

    def _begin(self, worker: Worker, number: int) -> None:
        job = self.jobs[number]
        job.waited_s += self.now_s - job.since_s
        if job.queue is Queue.RENDER:
            self._turns.begin(job.arrival.caller, job.arrival.priority, job.turn)
        worker.job, worker.began_s = number, self.now_s
        worker.stint += 1
        stint = worker.stint
        self._at(self.now_s + job.left_s, lambda: self._finish(worker, stint))

    def _finish(self, worker: Worker, stint: int) -> None:
        if worker.stint != stint or worker.job is None:
            return  # the job was preempted meanwhile
        number = self._release(worker)
        worker.takes_from_s = self.now_s + self.scenario.turnaround_s
        self._at(worker.takes_from_s, lambda: self._claim_if_free(worker))
        job = self.jobs[number]
        if job.queue is Queue.PREPARE:
            self._wait(number, Queue.RENDER, self.scenario.render_time_s(job.arrival))
        else:
            job.ended_s = self.now_s
            self._done += 1

    def _release(self, worker: Worker) -> int:
        assert worker.job is not None
        number, worker.job = worker.job, None
        worker.busy_s += self.now_s - worker.began_s
        return number

    # --- GPUs
    def _add_gpu(self, queues: tuple[Queue, ...], start_s: float) -> None:
        ready_s = self.now_s + start_s
        worker = Worker(queues, self.now_s, ready_s)
        self.gpus.append(worker)
        self._at(ready_s, lambda: self._claim_if_free(worker))
        rate = self.scenario.preemptions_per_gpu_hour / 3600
        if rate > 0:
            self._at(ready_s + self._chance.expovariate(rate), lambda: self._preempt(worker))

    def _preempt(self, worker: Worker) -> None:
        if not math.isnan(worker.gone_s):
            return
        worker.gone_s = self.now_s
        if worker.job is not None:
            number, left_s = self._interrupt(worker)
            job = self.jobs[number]
            job.losses += 1
            again_s = self.now_s + self.scenario.resume_s
            # Waiting for its lease to expire counts as waiting, too.
            job.waited_s += self.scenario.resume_s
            self._at(again_s, lambda: self._wait(number, job.queue, left_s))
        if len(self._alive()) < self.scenario.gpus:
            self._add_gpu(worker.queues, self.scenario.start_s)

    def _interrupt(self, worker: Worker) -> tuple[int, float]:
        """Return the job of a worker that stops, and the remaining work of its stage."""
        assert worker.job is not None
        left_s = self.jobs[worker.job].left_s - (self.now_s - worker.began_s)
        return self._release(worker), max(0.0, left_s)

    def _scale(self) -> None:
        """Scale as KEDA: GPUs for running jobs and for waiting ones, by their classes."""
        alive, line = self._alive(), self._lines[Queue.RENDER]
        running = sum(worker.job is not None for worker in alive)
        self.depth.append((self.now_s, len(line), len(alive)))
        high, normal, low = (
            line.waiting(one) / per_gpu for one, per_gpu in WAITING_PER_GPU.items()
        )
        target = math.ceil(max(running + high + normal, low))
        target = min(max(target, self.scenario.gpus), self.scenario.max_gpus)
        for _ in range(target - len(alive)):
            self._add_gpu(alive[0].queues, self.scenario.start_s)
        self._requests.append((self.now_s, target))
        while self._requests[0][0] <= self.now_s - self.scenario.calm_s:
            self._requests.popleft()
        is_time = self.now_s - self._shrunk_s >= self.scenario.shrink_s
        if is_time and max(count for _, count in self._requests) < len(alive):
            self._shut_down(alive[-1])
        self._at(self.now_s + POLL_S, self._scale)

    def _shut_down(self, worker: Worker) -> None:
        """Stop a GPU worker, idle or not, as a cluster does."""
        self._shrunk_s = worker.gone_s = self.now_s
        if worker.job is not None:
            number, left_s = self._interrupt(worker)
            self._wait(number, self.jobs[number].queue, left_s)

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.gpus if math.isnan(worker.gone_s)]

    def _is_free(self, worker: Worker) -> bool:
        return (
            worker.job is None and math.isnan(worker.gone_s) and worker.takes_from_s <= self.now_s
        )


def simulate(scenario: Scenario, arrivals: Sequence[Arrival] | None = None) -> Run:
    """Run a scenario, with its own arrivals or given ones in order of time."""
    run = Run(scenario, draw_arrivals(scenario) if arrivals is None else arrivals)
    run.go()
    return run
