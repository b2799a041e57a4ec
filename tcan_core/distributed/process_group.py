"""Several processes that share the windows of one video, each on its own device.

Every process holds the whole video's latents and takes the same steps; what is shared is the
network's work. In each round every process predicts one batch of windows; the predictions are
gathered and fused in the order of the windows, so the result is that of one process, bit for bit.

Before anything is gathered the processes tell each other how they are, so that the failure of one
is soon that of all, and all are ready for the next video.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from tcan_core.errors import PeerError, PeerLostError, PeerMemoryError


class ProcessGroup(Protocol):
    """The processes, seen from one of them."""

    @property
    def rank(self) -> int:
        """Of this process; 0 tells of progress and writes results."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def agree(self, wish: bool) -> bool:
        """Return whether any process wishes it; all must ask."""
        ...

    def first(self, number: int) -> int:
        """Return the first process's number; all must call."""
        ...

    def gather(self, mine: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return what the first processes have, in their order; all must call.

        Args:
            mine: of this process; None where it is not among the first.
            shapes: of each one's tensor; at most `count`.
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """Return a block that all enter for one video, and in which one's failure is all's.

        Who fails in it raises its error, the others `PeerError` where they next meet, at the
        block's end at the latest. A block inside of another one is a part of that.
        """
        ...


class SingleProcess:
    """One process."""

    rank, count = 0, 1

    def agree(self, wish: bool) -> bool:
        """Return the wish."""
        return wish

    def first(self, number: int) -> int:
        """Return the number."""
        return number

    def gather(self, mine: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensor."""
        assert mine is not None
        return [mine]

    def together(self) -> AbstractContextManager[None]:
        """Return a block that does nothing."""
        return nullcontext()


class _State(IntEnum):
    """How one process is; the highest of all is heeded."""

    WELL = 0
    WISHES_TO_STOP = 1
    FAILED = 2
    OUT_OF_MEMORY = 3


class TorchProcessGroup:
    """The processes of torch.distributed; tensors travel from host to host.

    All but `rank` and `count` raises PeerLostError when one of them has died, and all but `first`
    raises PeerError when one has failed.

    Args:
        group: carries tensors of the host (gloo); by default the default group.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self._is_together = False

    @property
    def rank(self) -> int:
        """Of this process."""
        return dist.get_rank(self._group)

    @property
    def count(self) -> int:
        """Processes of the group."""
        return dist.get_world_size(self._group)

    def agree(self, wish: bool) -> bool:
        """Return whether any process wishes it."""
        return self._hear(_State.WISHES_TO_STOP if wish else _State.WELL)

    def first(self, number: int) -> int:
        """Return the first process's number."""
        told = torch.tensor(number)
        with _all_alive():
            dist.broadcast(told, group_src=0, group=self._group)
        return int(told.item())

    def gather(self, mine: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensors as float32: each process sends its own to all."""
        gathered = [torch.empty(tuple(shape)) for shape in shapes]
        if mine is not None:
            gathered[self.rank].copy_(mine)
        self._hear(_State.WELL)  # from here on nothing fails in one alone
        with _all_alive():
            for sender, tensor in enumerate(gathered):
                dist.broadcast(tensor, group_src=sender, group=self._group)
        return gathered

    @contextmanager
    def together(self) -> Iterator[None]:
        """Meet the others once more: at the block's end, or where it fails here."""
        if self._is_together:
            yield
            return
        self._is_together = True
        try:
            yield
            self._hear(_State.WELL)
        except (PeerError, PeerLostError):
            raise  # the others know, or are no more
        except Exception as error:
            is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
            self._meet(_State.OUT_OF_MEMORY if is_memory else _State.FAILED)
            raise
        finally:
            self._is_together = False

    def _hear(self, mine: _State) -> bool:
        """Return whether one wishes to stop. Raises PeerError when one has failed."""
        gravest = self._meet(mine)
        if gravest is _State.OUT_OF_MEMORY:
            raise PeerMemoryError("memory ran out in another process of this video's")
        if gravest is _State.FAILED:
            raise PeerError("another process of this video's failed; its log says why")
        return gravest is _State.WISHES_TO_STOP

    def _meet(self, mine: _State) -> _State:
        """Return the gravest state of all; every process comes here equally often."""
        gravest = torch.tensor(int(mine))
        with _all_alive():
            dist.all_reduce(gravest, dist.ReduceOp.MAX, self._group)
        return _State(int(gravest.item()))


@contextmanager
def _all_alive() -> Iterator[None]:
    """While processes wait for each other: gloo tells of closed connections and long silence."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLostError(f"a process of this video's is lost: {error}") from error


def join_process_group() -> ProcessGroup:
    """Join the other processes where `torchrun` started this one, else return `SingleProcess`."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return SingleProcess()
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return TorchProcessGroup()


def join_local_group(meeting_file: Path, rank: int, count: int) -> None:
    """Join the other processes of this machine, over its loopback interface alone.

    Args:
        meeting_file: the same for all; a new one, which nobody needs once all have joined.
        rank: of this process, 0..count - 1.

    Raises:
        PeerLostError: one of them did not come.
    """
    # Else gloo listens on the interface that the host's name leads to.
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ["GLOO_SOCKET_IFNAME"] = loopback
    meeting = f"file://{meeting_file}"
    with _all_alive():
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)


def local_device(device: str) -> str:
    """Return this process's device: of several that `torchrun` started, each has its own GPU."""
    number = os.environ.get("LOCAL_RANK")
    return f"cuda:{number}" if device == "cuda" and number is not None else device
