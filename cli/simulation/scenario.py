"""What is simulated: who asks for what, and who does it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

from service.contract.options import Priority
from service.errors import SettingsError


@dataclass(frozen=True)
class Arrival:
    """A job as it is made.

    Attributes:
        at_s: since the beginning.
        frames: of its driver.
        steps: denoising steps.
    """

    at_s: float
    frames: int
    steps: int
    caller: str = "a"
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True)
class Scenario:
    """A deployment and its load. Times are seconds.

    Attributes:
        frames: lengths of drivers, each as likely as its weight.
        callers: share of the jobs of each caller, by weight.
        priorities: share of the jobs of each class, by weight.
        gpus: workers of the render queue at least.
        max_gpus: and at most; more than `gpus` scales as the manifests' ScaledObject does.
        preparers: workers of the prepare queue; 0 lets the GPUs' workers serve both queues.
        context_size: frames of a context window.
        context_overlap: frames that neighbouring windows share; each window computes them anew.
        frame_step_s: what a frame of a window takes in one denoising step.
        render_frame_s: what a frame of the video takes besides (encoding, decoding, writing).
        render_s: what a render takes besides.
        prepare_frame_s: what a frame takes to prepare.
        prepare_s: what preparing takes besides.
        turnaround_s: from the end of a worker's stage until it takes another job that waits.
        preemptions_per_gpu_hour: how often a node is taken away.
        resume_s: from the loss of a worker until another one is where it was.
        start_s: from the wish for a GPU until its worker takes jobs; it is paid for from the wish.
        calm_s: more GPUs than any wish of so long a time needed are given back,
        shrink_s: one of them in each such time.
        price_per_gpu_hour: in any currency.
        fps: of the drivers.
    """

    seed: int = 0
    hours: float = 8.0
    jobs_per_hour: float = 60.0
    frames: tuple[tuple[int, float], ...] = ((75, 5.0), (150, 3.0), (450, 1.0))
    steps: int = 25
    callers: tuple[tuple[str, float], ...] = (("a", 1.0),)
    priorities: tuple[tuple[str, float], ...] = ((Priority.NORMAL.value, 1.0),)
    gpus: int = 2
    max_gpus: int = 2
    preparers: int = 2
    context_size: int = 16
    context_overlap: int = 4
    frame_step_s: float = 0.02
    render_frame_s: float = 0.02
    render_s: float = 5.0
    prepare_frame_s: float = 0.05
    prepare_s: float = 1.0
    turnaround_s: float = 0.05
    preemptions_per_gpu_hour: float = 0.0
    resume_s: float = 7.0
    start_s: float = 180.0
    calm_s: float = 300.0
    shrink_s: float = 120.0
    price_per_gpu_hour: float = 1.0
    fps: float = 25.0

    def __post_init__(self) -> None:
        """Raises SettingsError when a value is out of its bounds."""
        least = {"hours": 1e-6, "jobs_per_hour": 1e-6, "gpus": 1, "steps": 1, "fps": 1e-6}
        least |= {"context_size": 1}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < least.get(field.name, 0):
                raise SettingsError(
                    f"{field.name} is {value}; it must be at least {least.get(field.name, 0)}"
                )
        if self.max_gpus < self.gpus:
            raise SettingsError(f"max_gpus is {self.max_gpus}; it must be at least {self.gpus}")
        if self.context_overlap >= self.context_size:
            raise SettingsError(
                f"context_overlap is {self.context_overlap}; it must lie in"
                f" 0..{self.context_size - 1} for context_size {self.context_size}"
            )
        for name, _ in self.priorities:
            if name not in set(Priority):
                raise SettingsError(
                    f"priority is {name!r}; it must be one of {', '.join(Priority)}"
                )
        for name in ("frames", "callers", "priorities"):
            weights = [weight for _, weight in getattr(self, name)]
            if not weights or min(weights) < 0 or sum(weights) <= 0:
                raise SettingsError(f"{name} need weights of at least 0, and one above it")

    def window_frames(self, frames: int) -> int:
        """Frames in all windows of a video, those that they share as often as they are in one.

        As `tcan_core.sampling.context_windows` cuts it, which not every image holds.
        """
        if frames <= self.context_size:
            return frames
        stride = self.context_size - self.context_overlap
        return self.context_size * (1 + math.ceil((frames - self.context_size) / stride))

    def render_time_s(self, arrival: Arrival) -> float:
        """How long a GPU works on this job."""
        steps_s = self.frame_step_s * self.window_frames(arrival.frames) * arrival.steps
        return self.render_s + self.render_frame_s * arrival.frames + steps_s

    def prepare_time_s(self, arrival: Arrival) -> float:
        """How long a preparer works on it."""
        return self.prepare_s + self.prepare_frame_s * arrival.frames


def draw_arrivals(scenario: Scenario) -> list[Arrival]:
    """A Poisson stream of jobs, the same for the same seed."""
    chance = random.Random(scenario.seed)  # nosec B311
    # Of its own, so that the same jobs come whatever their classes are.
    classes = random.Random(f"{scenario.seed} classes")  # nosec B311
    now_s, found = 0.0, []
    lengths, weights = zip(*scenario.frames, strict=True)
    callers, shares = zip(*scenario.callers, strict=True)
    priorities, parts = zip(*scenario.priorities, strict=True)
    while (now_s := now_s + chance.expovariate(scenario.jobs_per_hour / 3600)) < (
        scenario.hours * 3600
    ):
        [frames], [caller] = chance.choices(lengths, weights), chance.choices(callers, shares)
        priority = Priority(classes.choices(priorities, parts)[0])
        found.append(Arrival(now_s, frames, scenario.steps, caller, priority))
    return found


def load(scenario: Scenario, arrivals: Sequence[Arrival]) -> float:
    """The part of the least number of GPUs' time that the renders need."""
    work_s = sum(map(scenario.render_time_s, arrivals))
    return work_s / (scenario.gpus * scenario.hours * 3600)
