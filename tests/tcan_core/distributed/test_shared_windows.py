"""Sharing the windows of a video, with threads in place of processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Barrier

import pytest
import torch
from torch import Tensor

from tcan_core.distributed.process_group import SingleProcess
from tcan_core.errors import CanceledError
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoising_loop import DenoisingLoop
from tcan_core.sampling.schedulers import Scheduler, build_scheduler
from tests.servers import GUARD_S

FRAMES = 40


@dataclass
class Exchange:
    """Tensors and flags that the threads exchange."""

    world_size: int
    parts: dict[int, Tensor] = field(default_factory=dict)
    flags: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = Barrier(self.world_size, timeout=GUARD_S)


@dataclass
class ThreadGroup:
    """The group, seen from one thread."""

    exchange: Exchange
    rank: int

    @property
    def world_size(self) -> int:
        return self.exchange.world_size

    def broadcast(self, number: int) -> int:
        return number

    def sync_errors(self) -> AbstractContextManager[None]:
        return nullcontext()

    def all_reduce_any(self, flag: bool) -> bool:
        self.exchange.flags[self.rank] = flag
        self.exchange.barrier.wait()
        result = any(self.exchange.flags.values())
        self.exchange.barrier.wait()
        return result

    def all_gather(self, tensor: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        if tensor is not None:
            self.exchange.parts[self.rank] = tensor
        self.exchange.barrier.wait()
        gathered = [self.exchange.parts[rank] for rank in range(len(shapes))]
        assert [part.shape for part in gathered] == [torch.Size(shape) for shape in shapes]
        self.exchange.barrier.wait()
        return gathered


class Network:
    """Predicts a mix of a window's frames, and counts its windows."""

    def __init__(self) -> None:
        self.windows = 0

    def __call__(self, latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        self.windows += len(windows)
        return torch.sin(latents + latents.cumsum(2) / 7 + timestep / 1000)


def new_scheduler() -> Scheduler:
    """Return a scheduler; must be called before threads start, since it silences warnings."""
    return build_scheduler("dpm++2m", 3)


def run(
    group: ThreadGroup | None, window_batch: int, scheduler: Scheduler, stop: bool = False
) -> tuple[Tensor, int]:
    noise = torch.randn(1, 2, FRAMES, 3, 3, generator=torch.Generator().manual_seed(0))
    network = Network()
    loop = DenoisingLoop(
        network,
        scheduler,
        context_windows(FRAMES, 8, 5),  # at least three windows cover a frame
        "epsilon",
        window_batch=window_batch,
        group=group or SingleProcess(),
    )
    return loop.run(noise, is_canceled=lambda: stop), network.windows


@pytest.mark.parametrize("window_batch", [1, 2, 5])
@pytest.mark.parametrize("world_size", [2, 3])
def test_result_equals_that_of_one_process_bit_for_bit(world_size: int, window_batch: int) -> None:
    expected, windows = run(None, window_batch, new_scheduler())
    exchange = Exchange(world_size)
    with ThreadPoolExecutor(world_size) as pool:
        groups = [(ThreadGroup(exchange, rank), new_scheduler()) for rank in range(world_size)]
        results = list(pool.map(lambda pair: run(pair[0], window_batch, pair[1]), groups))

    assert all(torch.equal(latents, expected) for latents, _ in results)
    assert sum(done for _, done in results) == windows
    assert max(done for _, done in results) < windows


def test_cancel_in_one_process_stops_all() -> None:
    exchange = Exchange(2)

    schedulers = [new_scheduler(), new_scheduler()]

    def run_one(group: ThreadGroup) -> str:
        with pytest.raises(CanceledError) as stopped:
            run(group, 1, schedulers[group.rank], stop=group.rank == 1)
        return str(stopped.value)

    with ThreadPoolExecutor(2) as pool:
        messages = set(pool.map(run_one, [ThreadGroup(exchange, rank) for rank in range(2)]))
    assert messages == {"canceled at step 1 of 3, window 1"}
