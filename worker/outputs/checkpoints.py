"""Where a job's render stands, kept in the object store after its steps.

A checkpoint is an object under the lease's token and an entry in the record, written in this order;
the entry alone makes it count, and an old token cannot write it. So there is always one whole
checkpoint or none, and the ones before it are erased. The last one goes when the job has ended, by
the sweeper.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from service.contract.workers import ModelInfo
from tcan_core.progress import AnimateProgress, RunState
from worker.animation import Report
from worker.runtime.background import Beside
from worker.runtime.lease import Lease, Stop

logger = logging.getLogger(__name__)

# Processor time spent on writing, as a part of all time that passes.
MOST_COST = 0.01

Publish = Callable[[Path, AnimateProgress], None]


class _Captured(NamedTuple):
    step: AnimateProgress
    state: RunState


class CheckpointWriter:
    """Passes steps on, and publishes where the run stands behind them, beside the work.

    A step's state is captured at once, which costs nothing, and written by a thread of its own:
    when the one before is written, when `interval_s` has passed, and when writing has cost no more
    than `MOST_COST` of the time. By then a later step may have taken its place. A worker that must
    leave writes the last one in any case, at the end of the `with` block; one whose job is canceled
    or lost waits for nothing there, since what is still written then is refused or erased.

    Args:
        report: told of every step first.
        publish: stores a file and notes it in the record.
        folder: where files are made.
        lease: of the job; learns when a step is at work.
        interval_s: the least time between two checkpoints.
    """

    def __init__(
        self, report: Report, publish: Publish, folder: Path, lease: Lease, interval_s: float
    ) -> None:
        self._report = report
        self._publish = publish
        self._folder = folder
        self._lease = lease
        self._interval_s = interval_s
        self._beside = Beside("checkpoints", self._write_in_turn, interval_s)

    def __enter__(self) -> Self:
        self._beside.start()
        return self

    def __exit__(self, *raised: object) -> None:
        is_over = self._lease.stop in (Stop.CANCELED, Stop.LOST)
        left = self._beside.close(wait=not is_over)
        self._lease.in_step = False
        if self._lease.is_leaving and left is not None:
            self._write(left)

    def __call__(self, step: AnimateProgress) -> None:
        """Take one step."""
        self._report(step)
        self._lease.in_step = step.stage == "denoise" and step.state is None
        if step.state is None:
            return
        try:
            captured = _Captured(step, step.state())
        except Exception as error:
            logger.warning("no checkpoint of step %d: %s", step.step, error)
            return
        self._beside.put(captured)

    def _write_in_turn(self, captured: _Captured) -> float:
        return max(self._interval_s, self._write(captured) / MOST_COST)

    def _write(self, captured: _Captured) -> float:
        """Write and publish; the processor time that it took, in seconds.

        A checkpoint that fails is logged and left out: the one before it still counts.
        """
        began_s = time.thread_time()
        file = self._folder / f"step-{captured.step.step}.safetensors"
        try:
            captured.state.save(file)
            self._publish(file, captured.step)
        except Exception as error:
            logger.warning("no checkpoint of step %d: %s", captured.step.step, error)
        finally:
            file.unlink(missing_ok=True)
        return time.thread_time() - began_s


def mark_of(model: ModelInfo) -> str:
    """Tells models apart: with another one's checkpoint the result would be neither's."""
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()
