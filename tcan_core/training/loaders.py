"""Loader processes, which draw the batches of coming steps while this process trains.

Loader i of n draws steps i, i + n, i + 2n, ... of the run and sends them through a pipe of its own,
in which it waits until its batch is taken. A batch depends on its step alone, so the number of
loaders changes nothing that is learned.
"""

from __future__ import annotations

import itertools
import pickle  # nosec B403
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import cv2
import torch

from tcan_core.errors import PeerLostError, StorageError, TcanError
from tcan_core.training.damaged_files import DamagedFiles
from tcan_core.training.distributed import all_gather
from tcan_core.training.drawing import StepDrawing

# Ctrl-C and a stop reach all processes of a terminal, of a job or of a container. Loaders leave
# them to the process that trains, which needs their batches to finish its step.
_LEFT_TO_PARENT = {signal.SIGINT, signal.SIGTERM}


class Batches:
    """Micro-batches of this process, step by step.

    Args:
        drawn: the micro-batches of one step after the other; raises what drawing raises.
    """

    def __init__(self, drawing: StepDrawing, drawn: Iterator[list[Any]]) -> None:
        self._drawing, self._drawn = drawing, drawn
        self._damaged = DamagedFiles()
        self._waited_s, self._since = 0.0, time.monotonic()

    def next(self) -> list[Any]:
        """Return the micro-batches of the next step.

        Raises:
            TcanError: in every process, if drawing failed in one of them.
        """
        began, error = time.monotonic(), None
        batches = list[Any]()
        try:
            batches = next(self._drawn)
            self._damaged.note(self._drawing.damaged(batches))
        except TcanError as found:
            error = found
        except OSError as found:
            error = StorageError(f"training data cannot be read: {found}")
        errors = [one for one in all_gather(error) if one is not None]
        self._waited_s += time.monotonic() - began
        if errors:
            raise errors[0]
        return batches

    def waiting(self) -> float:
        """Return the share of the time since the last call that was spent in `next`, 0..1."""
        now = time.monotonic()
        share = self._waited_s / (now - self._since)
        self._waited_s, self._since = 0.0, now
        return share


@contextmanager
def open_batches(drawing: StepDrawing, first: int, loaders: int) -> Iterator[Batches]:
    """Yield the micro-batches from step `first` on.

    Args:
        loaders: processes that draw them, started here and ended with the context; 0 draws each
            batch in this process when it is needed.
    """
    if not loaders:
        yield Batches(drawing, map(drawing.draw, itertools.count(first)))
        return
    with ExitStack() as stack:
        started = list[_Loader]()
        with _signals_left_to_parent():
            for number in range(loaders):
                started.append(_start(drawing, first, number, loaders))
                stack.callback(started[-1].stop)
        yield Batches(drawing, (one.receive() for one in itertools.cycle(started)))


class _Loader(NamedTuple):
    name: str
    process: SpawnProcess
    connection: Connection

    def receive(self) -> list[Any]:
        """Return the micro-batches of its next step.

        Raises:
            PeerLostError: it died.
            TcanError, OSError: what drawing raised.
        """
        try:
            drawn = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise PeerLostError(f"{self.name} {self._end()}") from error
        if isinstance(drawn, Exception):
            raise drawn
        batches: list[Any] = drawn
        return batches

    def stop(self) -> None:
        """End it; it writes nothing."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _end(self) -> str:
        """Return how it ended, in words."""
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with {code}; its own message is above"
        advice = "; a machine without free memory does this: use fewer `run.loaders`"
        return f"was killed by {signal.Signals(-code).name}{advice * (-code == signal.SIGKILL)}"


def _start(drawing: StepDrawing, first: int, number: int, loaders: int) -> _Loader:
    context = get_context("spawn")  # a fork would copy locks of threads, and cannot follow CUDA
    receiver, sender = context.Pipe(duplex=False)
    steps = itertools.count(first + number, loaders)
    process = context.Process(target=_load, args=(drawing, steps, sender), daemon=True)
    process.start()
    sender.close()  # the loader has the only one: its end is seen here
    return _Loader(f"loader {number + 1} of {loaders} (pid {process.pid})", process, receiver)


def _load(drawing: StepDrawing, steps: Iterator[int], sender: Connection) -> None:
    """Draw and send batches until the other end is closed.

    Pickles are sent as bytes: torch would send tensors through /dev/shm, which is small in many
    containers.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with suppress(BrokenPipeError):
        for step in steps:
            try:
                drawn: object = drawing.draw(step)
            except (TcanError, OSError) as error:
                drawn = error
            sender.send_bytes(pickle.dumps(drawn))


@contextmanager
def _signals_left_to_parent() -> Iterator[None]:
    """Start processes that never receive Ctrl-C and SIGTERM, which this process gets afterwards."""
    resource_tracker.ensure_running()  # at its own start, which a spawn includes, it unblocks both
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
