"""A simulated deployment and its load."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.options import Priority
from service.errors import SettingsError


@dataclass(frozen=True)
class Arrival:
    """A submitted job.

    Attributes:
        at_s: time since the start.
        frames: frames of its driving video.
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
        frames: lengths of driving videos in frames, with weights.
        callers: callers, with weights.
        priorities: classes of jobs, with weights.
        gpus: minimum number of render workers.
        max_gpus: maximum; more than `gpus` scales as the manifests' ScaledObject.
        preparers: workers of the prepare queue; with 0 GPU workers serve both queues.
        context_size: frames of a context window.
        context_overlap: frames that neighbouring windows share; each window computes them again.
        frame_step_s: time per frame of a window and denoising step.
        render_frame_s: other time per frame (encoding, decoding, writing).
        render_s: other time per render.
        prepare_frame_s: preparation time per frame.
        prepare_s: other time per preparation.
        turnaround_s: time from the end of a stage to the worker's next claim.
        preemptions_per_gpu_hour: preemption rate of nodes.
        resume_s: time from the loss of a worker until another one is as far.
        start_s: time from the request of a GPU until its worker is ready; paid from the request.
        calm_s: time after which surplus GPUs are released.
        shrink_s: time between two releases.
        price_per_gpu_hour: price in any currency.
        fps: frame rate of the driving videos.
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
        """Check the values. Raises SettingsError."""
        least = {"hours": 1e-6, "jobs_per_hour": 1e-6, "fps": 1e-6}
        least |= {"gpus": 1, "steps": 1, "context_size": 1}
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value < least.get(name, 0):
                raise SettingsError(f"{name} is {value}; it must be at least {least.get(name, 0)}")
        if self.max_gpus < self.gpus:
            raise SettingsError(f"max_gpus is {self.max_gpus}; it must be at least {self.gpus}")
        if self.context_overlap >= self.context_size:
            raise SettingsError(
                f"context_overlap is {self.context_overlap}; it must lie in"
                f" 0..{self.context_size - 1} for context_size {self.context_size}"
            )
        for name, _ in self.priorities:
            if name not in set(Priority):
                allowed = ", ".join(Priority)
                raise SettingsError(f"priority is {name!r}; it must be one of {allowed}")
        for name in ("frames", "callers", "priorities"):
            weights = [weight for _, weight in getattr(self, name)]
            if not weights or min(weights) < 0 or sum(weights) <= 0:
                raise SettingsError(f"{name} need weights of at least 0, one of them positive")

    def window_frames(self, frames: int) -> int:
        """Return the frames of all windows of a video; shared frames count once per window.

        The same as in `tcan_core.sampling.context_windows`, which not every image contains.
        """
        if frames <= self.context_size:
            return frames
        stride = self.context_size - self.context_overlap
        return self.context_size * (1 + math.ceil((frames - self.context_size) / stride))

    def render_time_s(self, arrival: Arrival) -> float:
        """Return the GPU time of a job."""
        steps_s = self.frame_step_s * self.window_frames(arrival.frames) * arrival.steps
        return self.render_s + self.render_frame_s * arrival.frames + steps_s

    def prepare_time_s(self, arrival: Arrival) -> float:
        """Return the preparation time of a job."""
        return self.prepare_s + self.prepare_frame_s * arrival.frames


def draw_arrivals(scenario: Scenario) -> list[Arrival]:
    """Draw a Poisson stream of jobs, the same for the same seed."""
    chance = random.Random(scenario.seed)  # nosec B311
    # A separate generator, so that the jobs do not depend on their classes.
    classes = random.Random(f"{scenario.seed} classes")  # nosec B311
    now_s, arrivals = 0.0, []
    lengths, weights = zip(*scenario.frames, strict=True)
    callers, shares = zip(*scenario.callers, strict=True)
    priorities, parts = zip(*scenario.priorities, strict=True)
    while (now_s := now_s + chance.expovariate(scenario.jobs_per_hour / 3600)) < (
        scenario.hours * 3600
    ):
        [frames], [caller] = chance.choices(lengths, weights), chance.choices(callers, shares)
        priority = Priority(classes.choices(priorities, parts)[0])
        arrivals.append(Arrival(now_s, frames, scenario.steps, caller, priority))
    return arrivals


def load(scenario: Scenario, arrivals: Sequence[Arrival]) -> float:
    """Return the share of the minimum GPUs' time that the renders need."""
    work_s = sum(map(scenario.render_time_s, arrivals))
    return work_s / (scenario.gpus * scenario.hours * 3600)
