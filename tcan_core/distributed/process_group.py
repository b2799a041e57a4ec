"""Processes that share the windows of one video, each on its own device.

Every process holds the whole video's latents and takes the same steps; only the network's work is
shared. In each round every process predicts one batch of windows. The predictions are gathered and
fused in the order of the windows, so the result equals that of one process, bit for bit.

Before tensors are exchanged the processes exchange their status: if one has failed, the others
raise PeerError, and all are ready for the next video.
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
    """A group of processes, seen from one of them; all call its methods in the same order."""

    @property
    def rank(self) -> int:
        """Number of this process; rank 0 reports progress and writes results."""

    @property
    def world_size(self) -> int:
        """Number of processes."""

    def all_reduce_any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""

    def broadcast(self, number: int) -> int:
        """Return the number of rank 0."""

    def all_gather(self, tensor: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensors of the first `len(shapes)` ranks, in the order of ranks.

        Args:
            tensor: this process's; None if its rank is not among them.
            shapes: shape of each rank's tensor; at most `world_size`.
        """

    def sync_errors(self) -> AbstractContextManager[None]:
        """Return a context, entered by all processes, that ends in all if one of them fails.

        The failing process raises its own error, the others PeerError at their next sync, which is
        the end of the context at the latest. Nested contexts are part of the outermost one.
        """


class SingleProcess:
    """A group of one process."""

    rank, world_size = 0, 1

    def all_reduce_any(self, flag: bool) -> bool:
        """Return the flag."""
        return flag

    def broadcast(self, number: int) -> int:
        """Return the number."""
        return number

    def all_gather(self, tensor: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensor."""
        assert tensor is not None
        return [tensor]

    def sync_errors(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()


class _Status(IntEnum):
    """Status of one process; the highest of the group counts."""

    OK = 0
    STOP_REQUESTED = 1
    FAILED = 2
    OUT_OF_MEMORY = 3


class TorchProcessGroup:
    """A group of torch.distributed; tensors are exchanged between hosts' memories.

    All methods raise PeerLostError if another process died; all but `broadcast` raise PeerError if
    another one failed.

    Args:
        group: a gloo group; by default the default group.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self._syncs_errors = False

    @property
    def rank(self) -> int:
        """Number of this process."""
        return dist.get_rank(self._group)

    @property
    def world_size(self) -> int:
        """Number of processes."""
        return dist.get_world_size(self._group)

    def all_reduce_any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""
        return self._sync(_Status.STOP_REQUESTED if flag else _Status.OK)

    def broadcast(self, number: int) -> int:
        """Return the number of rank 0."""
        tensor = torch.tensor(number)
        with _map_lost_peers():
            dist.broadcast(tensor, group_src=0, group=self._group)
        return int(tensor.item())

    def all_gather(self, tensor: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensors as float32. By broadcasts, because their shapes differ."""
        gathered = [torch.empty(tuple(shape)) for shape in shapes]
        if tensor is not None:
            gathered[self.rank].copy_(tensor)
        self._sync(_Status.OK)  # what follows fails in all processes or in none
        with _map_lost_peers():
            for sender, part in enumerate(gathered):
                dist.broadcast(part, group_src=sender, group=self._group)
        return gathered

    @contextmanager
    def sync_errors(self) -> Iterator[None]:
        """Exchange the status once more: at the end of the context, or when it fails here."""
        if self._syncs_errors:
            yield
            return
        self._syncs_errors = True
        try:
            yield
            self._sync(_Status.OK)
        except (PeerError, PeerLostError):
            raise  # the other processes know already, or are lost
        except Exception as error:
            is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
            self._worst_status(_Status.OUT_OF_MEMORY if is_memory else _Status.FAILED)
            raise
        finally:
            self._syncs_errors = False

    def _sync(self, status: _Status) -> bool:
        """Return whether any process wants to stop. Raises PeerError if one has failed."""
        worst = self._worst_status(status)
        if worst is _Status.OUT_OF_MEMORY:
            raise PeerMemoryError("another process that renders this video ran out of memory")
        if worst is _Status.FAILED:
            raise PeerError("another process that renders this video failed; its log says why")
        return worst is _Status.STOP_REQUESTED

    def _worst_status(self, status: _Status) -> _Status:
        """Return the highest status of all processes; every one calls this equally often."""
        worst = torch.tensor(int(status))
        with _map_lost_peers():
            dist.all_reduce(worst, dist.ReduceOp.MAX, self._group)
        return _Status(int(worst.item()))


@contextmanager
def _map_lost_peers() -> Iterator[None]:
    """Raise PeerLostError for gloo's errors: a closed connection, or a timeout."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLostError(f"lost another process that renders this video: {error}") from error


def join_process_group() -> ProcessGroup:
    """Join the group of `torchrun`; without it return a `SingleProcess`."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return SingleProcess()
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return TorchProcessGroup()


def join_local_group(rendezvous_file: Path, rank: int, world_size: int) -> None:
    """Join a group of processes of this machine, over its loopback interface only.

    Args:
        rendezvous_file: a path that does not exist yet, the same for all processes; may be removed
            once all have joined.
        rank: number of this process, 0..world_size - 1.

    Raises:
        PeerLostError: another process did not join.
    """
    # By default gloo listens on the interface that the host name resolves to.
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ["GLOO_SOCKET_IFNAME"] = loopback
    address = f"file://{rendezvous_file}"
    with _map_lost_peers():
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)


def local_device(device: str) -> str:
    """Return this process's device: under `torchrun`, "cuda" is the GPU of its local rank."""
    local_rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{local_rank}" if device == "cuda" and local_rank is not None else device
