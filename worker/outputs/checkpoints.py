"""Checkpoints: the state of a job's render, saved in the object store after its steps.

A checkpoint is an object under the lease's token and an entry in the record, written in this order.
Only the entry makes it valid, and an old token cannot write it. So there is always one whole
checkpoint or none. Earlier ones are erased; the sweeper erases the last one after the job's end.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from service.contract.workers import ModelInfo
from tcan_core.progress import AnimateProgress, ProgressCallback, RunState
from worker.runtime.background import LatestOnlyThread
from worker.runtime.lease import Lease, StopReason

logger = logging.getLogger(__name__)

# Maximum CPU time spent on writing, as a share of all time that passes.
MAX_COST_SHARE = 0.01

Publish = Callable[[Path, AnimateProgress], None]


class _Snapshot(NamedTuple):
    progress: AnimateProgress
    state: RunState


@dataclass
class CheckpointWriter:
    """Passes progress on, and publishes the state of the run after some steps.

    The state of each step is captured at once, which costs nothing, and written by another thread:
    after the previous one, after `interval_s`, and so that writing takes at most `MAX_COST_SHARE`
    of the time. A later step may replace it until then.

    At the end of the `with` block a worker that shuts down always writes the last state; one whose
    job is canceled or lost waits for nothing, since a late write is refused or erased.

    Args:
        report: called with all progress first.
        publish: stores a file and adds it to the record.
        lease: the job's lease; knows when a step is in progress.
        interval_s: minimum time between two checkpoints.
    """

    report: ProgressCallback
    publish: Publish
    folder: Path
    lease: Lease
    interval_s: float

    def __post_init__(self) -> None:
        self._thread = LatestOnlyThread("checkpoints", self._write_and_pace, self.interval_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        is_over = self.lease.stop_reason in (StopReason.CANCELED, StopReason.LOST)
        pending = self._thread.close(wait=not is_over)
        self.lease.is_in_step = False
        if self.lease.is_handing_over and pending is not None:
            self._write(pending)

    def __call__(self, now: AnimateProgress) -> None:
        """Pass progress on and capture the state after a step."""
        self.report(now)
        self.lease.is_in_step = now.stage == "denoise" and now.state is None
        if now.state is None:
            return
        try:
            snapshot = _Snapshot(now, now.state())
        except Exception as error:
            logger.warning("checkpoint failed: step=%d: %s", now.step, error)
            return
        self._thread.put(snapshot)

    def _write_and_pace(self, snapshot: _Snapshot) -> float:
        return max(self.interval_s, self._write(snapshot) / MAX_COST_SHARE)

    def _write(self, snapshot: _Snapshot) -> float:
        """Write and publish a state, and return the CPU time that it took, in seconds.

        A checkpoint that fails is logged and skipped: the previous one is still valid.
        """
        started_s, step = time.thread_time(), snapshot.progress.step
        file = self.folder / f"step-{step}.safetensors"
        try:
            snapshot.state.save(file)
            self.publish(file, snapshot.progress)
        except Exception as error:
            logger.warning("checkpoint failed: step=%d: %s", step, error)
        finally:
            file.unlink(missing_ok=True)
        return time.thread_time() - started_s


def model_fingerprint(model: ModelInfo) -> str:
    """Return a digest of a model; checkpoints of another one are not used."""
    return hashlib.sha256(model.identity().encode()).hexdigest()
