"""A real worker process around the painting animator, set up by the environment."""

from __future__ import annotations

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
from worker.main import run_worker


def grow_deaf(sender: Any, **_: Any) -> None:
    """Stay connected and take nothing; once, as the file that is then there remembers."""
    remembers = Path(os.environ["PAINT_DEAF"])
    if not remembers.exists():
        remembers.touch()
        sender.task_consumer.cancel()


if __name__ == "__main__":
    if "PAINT_DEAF" in os.environ:
        signals.worker_ready.connect(grow_deaf)
    start_logging()
    poison = int(os.environ.get("PAINT_POISON", "0"))
    painter = PaintAnimator(step_s=float(os.environ["PAINT_STEP_S"]), poison_steps=poison)
    queues = [Queue(name) for name in os.environ.get("PAINT_QUEUES", ",".join(Queue)).split(",")]
    sys.exit(run_worker(Settings(), painter, queues))
