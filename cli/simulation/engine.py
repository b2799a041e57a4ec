"""The simulation itself: a clock that jumps from event to event."""

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

# As often as KEDA asks.
LOOK_S = 10.0
# How many waiting jobs of a class wish for one worker: the triggers in
# deploy/kubernetes/base/scaling.yaml. The one of class `low` stands alone; the larger wish counts.
WAITING_PER_GPU = {Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 20}


@dataclass
class Job:
    """A job on its way.

    Attributes:
        waited_s: in queues, all together.
        left_s: work that remains in its present stage.
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
    """One worker: a GPU's, or one that prepares."""

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
    """One run; `go` does it, and then `jobs` and `gpus` tell what became of them."""

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
        # Of its own, so that preemptions do not depend on how many jobs were drawn.
        self._chance = random.Random(f"{self.scenario.seed} preemptions")  # nosec B311
        self._done = 0
        self._wishes: deque[tuple[float, int]] = deque()
        self._shrunk_s = -math.inf

    def go(self) -> None:
        """From the first job to the end of the last one."""
        both = tuple(Queue) if self.scenario.preparers == 0 else (Queue.RENDER,)
        for _ in range(self.scenario.gpus):
            self._add_gpu(both, start_s=0.0)
        for _ in range(self.scenario.preparers):
            self.preparers.append(Worker((Queue.PREPARE,), 0.0, 0.0))
        for arrival in self.arrivals:
            self._at(arrival.at_s, partial(self._arrive, arrival))
        self._at(0.0, self._look)
        while self._done < len(self.arrivals):
            self.now_s, _, event = heapq.heappop(self._events)
            event()

    def _at(self, when_s: float, event: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (when_s, self._number, event))

    # --- jobs
    def _arrive(self, arrival: Arrival) -> None:
        units = arrival.frames * arrival.steps
        turn = self._turns.give(arrival.caller, arrival.priority, units)
        self.jobs.append(Job(arrival, turn))
        self._wait(len(self.jobs) - 1, Queue.PREPARE, self.scenario.prepare_time_s(arrival))

    def _wait(self, number: int, queue: Queue, left_s: float) -> None:
        job = self.jobs[number]
        job.queue, job.left_s, job.since_s = queue, left_s, self.now_s
        self._lines[queue].add(job.turn, number)
        for worker in (*self.preparers, *self.gpus):
            if self._is_free(worker) and queue in worker.queues:
                self._take(worker)
                return

    def _take_if_free(self, worker: Worker) -> None:
        if self._is_free(worker):
            self._take(worker)

    def _take(self, worker: Worker) -> None:
        """The next job of its queues, which it asks in turn as its broker's connection does."""
        for _ in worker.queues:
            queue = worker.queues[worker.asked % len(worker.queues)]
            worker.asked += 1
            number = self._lines[queue].take()
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
            return  # it was taken away meanwhile
        number = self._let_go(worker)
        worker.takes_from_s = self.now_s + self.scenario.turnaround_s
        self._at(worker.takes_from_s, lambda: self._take_if_free(worker))
        job = self.jobs[number]
        if job.queue is Queue.PREPARE:
            self._wait(number, Queue.RENDER, self.scenario.render_time_s(job.arrival))
        else:
            job.ended_s = self.now_s
            self._done += 1

    def _let_go(self, worker: Worker) -> int:
        assert worker.job is not None
        number, worker.job = worker.job, None
        worker.busy_s += self.now_s - worker.began_s
        return number

    # --- GPUs
    def _add_gpu(self, queues: tuple[Queue, ...], start_s: float) -> None:
        ready_s = self.now_s + start_s
        worker = Worker(queues, self.now_s, ready_s)
        self.gpus.append(worker)
        self._at(ready_s, lambda: self._take_if_free(worker))
        rate = self.scenario.preemptions_per_gpu_hour / 3600
        if rate > 0:
            self._at(ready_s + self._chance.expovariate(rate), lambda: self._preempt(worker))

    def _preempt(self, worker: Worker) -> None:
        if not math.isnan(worker.gone_s):
            return
        worker.gone_s = self.now_s
        if worker.job is not None:
            number, left_s = self._take_away(worker)
            job = self.jobs[number]
            job.losses += 1
            again_s = self.now_s + self.scenario.resume_s
            # What it waits for its lease to run out is waiting too.
            job.waited_s += self.scenario.resume_s
            self._at(again_s, lambda: self._wait(number, job.queue, left_s))
        if len(self._alive()) < self.scenario.gpus:
            self._add_gpu(worker.queues, self.scenario.start_s)

    def _take_away(self, worker: Worker) -> tuple[int, float]:
        """The job of a worker that goes, and the work that remains of its stage."""
        assert worker.job is not None
        left_s = self.jobs[worker.job].left_s - (self.now_s - worker.began_s)
        return self._let_go(worker), max(0.0, left_s)

    def _look(self) -> None:
        """What KEDA does: GPUs for the jobs at work and those that wait, by their classes."""
        alive, line = self._alive(), self._lines[Queue.RENDER]
        at_work = sum(worker.job is not None for worker in alive)
        self.depth.append((self.now_s, len(line), len(alive)))
        high, normal, low = (line.waiting(one) / most for one, most in WAITING_PER_GPU.items())
        wanted = math.ceil(max(at_work + high + normal, low))
        wanted = min(max(wanted, self.scenario.gpus), self.scenario.max_gpus)
        for _ in range(wanted - len(alive)):
            self._add_gpu(alive[0].queues, self.scenario.start_s)
        self._wishes.append((self.now_s, wanted))
        while self._wishes[0][0] <= self.now_s - self.scenario.calm_s:
            self._wishes.popleft()
        is_time = self.now_s - self._shrunk_s >= self.scenario.shrink_s
        if is_time and max(wish for _, wish in self._wishes) < len(alive):
            self._shut(alive[-1])
        self._at(self.now_s + LOOK_S, self._look)

    def _shut(self, worker: Worker) -> None:
        """Give one back: the newest, as a cluster does, whether it works or not."""
        self._shrunk_s = worker.gone_s = self.now_s
        if worker.job is not None:
            number, left_s = self._take_away(worker)
            self._wait(number, self.jobs[number].queue, left_s)

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.gpus if math.isnan(worker.gone_s)]

    def _is_free(self, worker: Worker) -> bool:
        return (
            worker.job is None and math.isnan(worker.gone_s) and worker.takes_from_s <= self.now_s
        )


def simulate(scenario: Scenario, arrivals: Sequence[Arrival] | None = None) -> Run:
    """Run a scenario, with its own arrivals or given ones, in the order of their times."""
    run = Run(scenario, draw_arrivals(scenario) if arrivals is None else arrivals)
    run.go()
    return run
