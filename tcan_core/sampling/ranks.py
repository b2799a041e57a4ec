"""Several processes that share the windows of one video, each on its own device.

Every process holds the whole video's latents and takes the same steps; what is shared is the
network's work. In each round every process predicts one batch of windows; the predictions are
gathered and fused in the order of the windows, so the result is that of one process, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Ranks(Protocol):
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


class Alone:
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


class TorchRanks:
    """The processes of torch.distributed; tensors travel from host to host.

    Args:
        group: carries tensors of the host (gloo); by default the default group.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group

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
        wishes = torch.tensor(int(wish))
        dist.all_reduce(wishes, dist.ReduceOp.MAX, self._group)
        return bool(wishes.item())

    def first(self, number: int) -> int:
        """Return the first process's number."""
        told = torch.tensor(number)
        dist.broadcast(told, group_src=0, group=self._group)
        return int(told.item())

    def gather(self, mine: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the tensors as float32: each process sends its own to all."""
        gathered = []
        for sender, shape in enumerate(shapes):
            tensor = torch.empty(tuple(shape))
            if sender == self.rank:
                assert mine is not None
                tensor.copy_(mine)
            dist.broadcast(tensor, group_src=sender, group=self._group)
            gathered.append(tensor)
        return gathered


def join_ranks() -> Ranks:
    """Join the other processes where `torchrun` started this one, else return `Alone`."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Alone()
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return TorchRanks()


def own_device(device: str) -> str:
    """Return this process's device: of several that `torchrun` started, each has its own GPU."""
    number = os.environ.get("LOCAL_RANK")
    return f"cuda:{number}" if device == "cuda" and number is not None else device
