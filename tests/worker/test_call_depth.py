"""Limit on the number of project frames between a Celery task and an attention processor."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from service.contract.queues import Queue
from service.contract.states import JobState
from tests.worker.conftest import Desk
from tests.worker.test_animator import animator as animator
from tests.worker.test_animator import pair as pair
from worker.animator import TcanAnimator
from worker.celery_app import make_worker_app, register_tasks
from worker.job_runner import JobRunner

MAX_FRAMES = 15
MAX_WORKER_FRAMES = 6


def project_frames(repository: Path) -> list[str]:
    """Return the current call stack's functions of this project, outermost first, without tests."""
    roots = tuple(str(repository / package) for package in ("worker", "tcan_core"))
    stack = traceback.extract_stack()
    return [
        f"{Path(frame.filename).relative_to(repository)}:{frame.name}"
        for frame in stack
        if frame.filename.startswith(roots)
    ]


def test_at_most_15_frames_lie_between_task_and_attention_processor(
    desk: Desk, runner: JobRunner, animator: TcanAnimator, repository: Path
) -> None:
    stacks: list[list[str]] = []

    def record(module: torch.nn.Module, inputs: object) -> None:
        call = f"{type(module.processor).__module__}:{type(module.processor).__name__}.__call__"
        stacks.append([*project_frames(repository), call])

    assert animator._pipeline is not None
    hooks = [
        module.register_forward_pre_hook(record)
        for network in animator._pipeline.tcan.denoising_networks
        for module in network.modules()
        if type(getattr(module, "processor", None)).__module__.startswith("tcan_core")
    ]
    assert hooks
    runner.animator = animator
    app = make_worker_app("memory://")
    register_tasks(app, runner)
    tasks: dict[Queue, Callable[[str], None]] = {queue: app.tasks[queue.task] for queue in Queue}
    job_id = desk.submit(steps=1)
    try:
        for queue in Queue:
            tasks[queue](job_id)
    finally:
        for hook in hooks:
            hook.remove()

    assert desk.record(job_id).state is JobState.SUCCEEDED, desk.record(job_id).error
    deepest = max(stacks, key=len)
    assert len(deepest) <= MAX_FRAMES, "\n".join(deepest)
    in_worker = [frame for frame in deepest if frame.startswith("worker/")]
    assert len(in_worker) <= MAX_WORKER_FRAMES, in_worker
