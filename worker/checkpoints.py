"""Where a job's render stands, kept in the object store after its steps.

A checkpoint is an object under the lease's token and an entry in the record, written in this order;
the entry alone makes it count, and an old token cannot write it. So there is always one whole
checkpoint or none, and the ones before it are erased.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import NamedTuple, Self

from service.contract.workers import ModelInfo
from worker.animation import Report, State, Step
from worker.lease import Lease

logger = logging.getLogger(__name__)

# Processor time spent on writing, as a part of all time that passes.
MOST_COST = 0.01
LONGEST_WAIT_S = 60.0

Publish = Callable[[Path, Step], None]


class _Captured(NamedTuple):
    step: Step
    state: State


class CheckpointWriter:
    """Passes steps on, and publishes where the run stands behind them, beside the work.

    A step's state is captured at once, which costs nothing, and written by a thread of its own:
    when the one before is written, when `interval_s` has passed, and when writing has cost no more
    than `MOST_COST` of the time. By then a later step may have taken its place. A worker that must
    leave writes the last one in any case, at the end of the `with` block.

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
        self._due_s = time.monotonic() + interval_s
        self._changed = threading.Condition()
        self._latest: _Captured | None = None
        self._closed = False
        # What is logged there belongs to the same job as what is done here.
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="checkpoints", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._lease.in_step = False
        if self._lease.is_leaving and self._latest is not None:
            self._write(self._latest)

    def __call__(self, step: Step) -> None:
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
        with self._changed:
            self._latest = captured
            self._changed.notify()

    def _run(self) -> None:
        while (captured := self._next()) is not None:
            began_s = time.monotonic()
            cost_s = self._write(captured)
            self._due_s = began_s + max(self._interval_s, cost_s / MOST_COST)

    def _next(self) -> _Captured | None:
        """The last state that was captured, once it is time to write one; None at the end."""
        with self._changed:
            while not self._closed:
                wait_s = self._due_s - time.monotonic()
                if self._latest is not None and wait_s <= 0:
                    captured, self._latest = self._latest, None
                    return captured
                # Without a state there is nothing to wait for but one.
                self._changed.wait(None if self._latest is None else min(wait_s, LONGEST_WAIT_S))
        return None

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
