"""A real worker process around the painting animator, set up by the environment."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from celery import signals

from service.contract.queues import Queue
from service.settings import Settings
from service.telemetry.logs import start_logging
from tests.worker.paint import PaintAnimator
from worker.main import run_worker, worker_name
from worker.runtime.shutdown import EXIT_S, STEP_S


def stop_consuming(sender: Any, **_: Any) -> None:
    """Stay connected without consuming messages; only once, which the file records."""
    marker = Path(os.environ["PAINT_STALLED"])
    if not marker.exists():
        marker.touch()
        sender.task_consumer.cancel()


def wait_for_lock(step: int) -> None:
    """Wait until no other process has locked the file of `PAINT_HOLD`."""
    with open(os.environ["PAINT_HOLD"]) as file:
        fcntl.flock(file, fcntl.LOCK_SH)


if __name__ == "__main__":
    if "PAINT_STALLED" in os.environ:
        signals.worker_ready.connect(stop_consuming)
    name = worker_name()
    start_logging(worker_id=name)
    poison = int(os.environ.get("PAINT_POISON", "0"))
    painter = PaintAnimator(step_s=float(os.environ["PAINT_STEP_S"]), poison_steps=poison)
    if "PAINT_HOLD" in os.environ:
        painter.on_step = wait_for_lock
    queues = [Queue(name) for name in os.environ.get("PAINT_QUEUES", ",".join(Queue)).split(",")]
    settings, step_s, exit_s = Settings(), STEP_S, EXIT_S
    if "PAINT_GUARD_S" in os.environ:
        step_s = exit_s = float(os.environ["PAINT_GUARD_S"])
        if "PAINT_STALLED" in os.environ and Path(os.environ["PAINT_STALLED"]).exists():
            # A worker that is slow after its restart does not restart again.
            settings = settings.model_copy(update={"stalled_s": step_s})
    sys.exit(run_worker(settings, painter, queues, name=name, step_s=step_s, exit_s=exit_s))
