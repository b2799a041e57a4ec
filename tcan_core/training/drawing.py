"""Drawing of a step's batches, apart from the networks.

Drawing reads, decodes and draws on the CPU, from the samples' generators alone, so that any process
may do it and in any order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tcan_core.training.batches import ClipData, DrawnClips
from tcan_core.training.damaged_files import DamagedFile
from tcan_core.training.samples import (
    Samples,
    draw_samples,
    integers,
    move_dropped_to_front,
)


class Drawing(ABC):
    """The data of a stage; it can be pickled and holds no weights."""

    @abstractmethod
    def draw(self, samples: Samples) -> Any:
        """Return the micro-batch of these samples, as `Stage.loss` takes it; it can be pickled."""

    @abstractmethod
    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `draw` draws for each sample, for messages."""

    def damaged(self, batch: Any) -> Sequence[DamagedFile]:
        """Return the files that drawing a micro-batch has skipped."""
        return ()


def puppet_names(samples: Samples, count: int) -> list[str]:
    """Return the names of the puppets, of `count`, that are drawn first of all for each sample."""
    return [f"puppet {one}" for one in integers(samples, count)]


@dataclass(frozen=True)
class DrawnBatch:
    """A micro-batch of stages 1 and 2.

    Attributes:
        clips: those of the first `dropped` samples have no reference.
        samples: the generators of its rows, from which noise is drawn next.
    """

    clips: DrawnClips
    samples: Samples
    dropped: int


@dataclass(frozen=True)
class ClipDrawing(Drawing):
    """Draws clips, and samples whose reference is dropped.

    Attributes:
        dropout: probability that a sample's reference is dropped, 0..1.
    """

    data: ClipData
    dropout: float

    def draw(self, samples: Samples) -> DrawnBatch:
        """Return the micro-batch of these samples."""
        samples, dropped = move_dropped_to_front(samples, self.dropout)
        return DrawnBatch(self.data.sample(samples), samples, dropped)

    def names(self, samples: Samples) -> list[str]:
        """Return the name of the clip that `draw` draws for each sample."""
        return self.data.names(move_dropped_to_front(samples, self.dropout)[0])

    def damaged(self, batch: DrawnBatch) -> Sequence[DamagedFile]:
        """Return the files that drawing a micro-batch has skipped."""
        return batch.clips.damaged


@dataclass(frozen=True)
class StepDrawing:
    """Draws the micro-batches of one of the processes that train; it can be pickled.

    Attributes:
        batch_size: samples of a micro-batch.
        micro_steps: micro-batches of a step in each process.
        processes, process: number of processes, and the index of this one.
    """

    drawing: Drawing
    seed: int
    batch_size: int
    micro_steps: int
    processes: int
    process: int

    def draw(self, step: int) -> list[Any]:
        """Return the micro-batches of a step, from 0."""
        return [self.drawing.draw(self._samples(step, index)) for index in range(self.micro_steps)]

    def damaged(self, batches: Sequence[Any]) -> list[DamagedFile]:
        """Return the files that drawing the micro-batches has skipped."""
        return [file for batch in batches for file in self.drawing.damaged(batch)]

    def indices(self, micro_step: int) -> range:
        """Return the indices in the global batch of a micro-batch's samples."""
        index = micro_step * self.processes + self.process
        return range(index * self.batch_size, (index + 1) * self.batch_size)

    def names(self, step: int, micro_step: int) -> list[str]:
        """Return the names of a micro-batch's clips, for messages."""
        return self.drawing.names(self._samples(step, micro_step))

    def _samples(self, step: int, micro_step: int) -> Samples:
        return draw_samples(self.seed, step, self.indices(micro_step))
