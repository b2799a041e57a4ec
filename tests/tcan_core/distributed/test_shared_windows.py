"""Processes that share the windows of a video, as threads that hand each other their parts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Barrier

import pytest
import torch
from torch import Tensor

from tcan_core.errors import CanceledError
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoise import denoise
from tcan_core.sampling.schedulers import Scheduler, build_scheduler
from tests.servers import GUARD_S

FRAMES = 40


@dataclass
class Table:
    """Where threads lay their parts for the others."""

    count: int
    parts: dict[int, Tensor] = field(default_factory=dict)
    wishes: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = Barrier(self.count, timeout=GUARD_S)


@dataclass
class ThreadRank:
    """One of the threads."""

    table: Table
    rank: int

    @property
    def count(self) -> int:
        return self.table.count

    def first(self, number: int) -> int:
        return number

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def agree(self, wish: bool) -> bool:
        self.table.wishes[self.rank] = wish
        self.table.barrier.wait()
        wished = any(self.table.wishes.values())
        self.table.barrier.wait()
        return wished

    def gather(self, mine: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        if mine is not None:
            self.table.parts[self.rank] = mine
        self.table.barrier.wait()
        gathered = [self.table.parts[rank] for rank in range(len(shapes))]
        assert [part.shape for part in gathered] == [torch.Size(shape) for shape in shapes]
        self.table.barrier.wait()
        return gathered


class Network:
    """Mixes the frames of a window, unevenly, and counts the windows that it was asked for."""

    def __init__(self) -> None:
        self.windows = 0

    def __call__(self, latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        self.windows += len(windows)
        return torch.sin(latents + latents.cumsum(2) / 7 + timestep / 1000)


def fresh() -> Scheduler:
    """A scheduler of a run; made before threads begin, for it silences warnings of all of them."""
    return build_scheduler("dpm++2m", 3)


def run(
    rank: ThreadRank | None, window_batch: int, scheduler: Scheduler, stop: bool = False
) -> tuple[Tensor, int]:
    noise = torch.randn(1, 2, FRAMES, 3, 3, generator=torch.Generator().manual_seed(0))
    network = Network()
    latents = denoise(
        network,
        noise,
        scheduler,
        context_windows(FRAMES, 8, 5),  # three windows and more cover a frame
        prediction_type="epsilon",
        window_batch=window_batch,
        canceled=lambda: stop,
        ranks=rank,
    )
    return latents, network.windows


@pytest.mark.parametrize("window_batch", [1, 2, 5])
@pytest.mark.parametrize("count", [2, 3])
def test_the_result_is_that_of_one_bit_for_bit(count: int, window_batch: int) -> None:
    expected, windows = run(None, window_batch, fresh())
    table = Table(count)
    with ThreadPoolExecutor(count) as pool:
        ranks = [(ThreadRank(table, rank), fresh()) for rank in range(count)]
        results = list(pool.map(lambda one: run(one[0], window_batch, one[1]), ranks))

    assert all(torch.equal(latents, expected) for latents, _ in results)
    assert sum(done for _, done in results) == windows
    assert max(done for _, done in results) < windows


def test_one_who_wishes_to_stop_stops_all() -> None:
    table = Table(2)

    schedulers = [fresh(), fresh()]

    def run_one(rank: ThreadRank) -> str:
        with pytest.raises(CanceledError) as stopped:
            run(rank, 1, schedulers[rank.rank], stop=rank.rank == 1)
        return str(stopped.value)

    with ThreadPoolExecutor(2) as pool:
        told = set(pool.map(run_one, [ThreadRank(table, rank) for rank in range(2)]))
    assert told == {"canceled at step 1 of 3, window 1"}
