"""Where a denoising run stands between two steps: all that the rest of it depends on.

A run that goes on from a state gives the same bits as one that was never broken off. So a state
holds the latents, whatever the scheduler remembers of earlier steps, and the random numbers still
to be drawn. A file of it is safetensors with JSON in its header; nothing in it can run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcan_core.errors import CheckpointError
from tcan_core.sampling.schedulers import Scheduler

FORMAT = "tcan.denoise-state.1"
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class DenoiseState:
    """A run after `step` of its `steps`.

    Attributes:
        step: complete steps, 1..steps.
        latents: (b, c, F, h, w) float32 on the host, as the next step takes them.
        scheduler_class: name of the scheduler's class.
        scheduler: the scheduler's attributes by name: plain values, tensors, arrays, and lists or
            tuples of these.
        random: state of the generator that the scheduler draws from, (bytes,) uint8; None when it
            draws nothing.
    """

    step: int
    steps: int
    latents: Tensor
    scheduler_class: str
    scheduler: Mapping[str, Any]
    random: Tensor | None

    def save(self, path: Path) -> None:
        """Write the state to a file. Raises OSError when the disk does not take it."""
        tensors = {"latents": _own(self.latents)}
        if self.random is not None:
            tensors["random"] = _own(self.random)
        header = {
            "step": self.step,
            "steps": self.steps,
            "scheduler_class": self.scheduler_class,
            "scheduler": {name: _pack(each, tensors) for name, each in self.scheduler.items()},
        }
        try:
            save_file(tensors, path, metadata={"format": FORMAT, "state": json.dumps(header)})
        except SafetensorError as error:
            raise OSError(f"{path}: {error}") from error

    @classmethod
    def load(cls, path: Path) -> DenoiseState:
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, or no state of this program.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path.name}: not a readable checkpoint ({error})") from error
        if metadata.get("format") != FORMAT:
            raise CheckpointError(
                f"{path.name}: its format is {metadata.get('format')!r}; it must be {FORMAT!r}"
            )
        header = json.loads(metadata["state"])
        return cls(
            step=header["step"],
            steps=header["steps"],
            latents=tensors["latents"],
            scheduler_class=header["scheduler_class"],
            scheduler={name: _unpack(each, tensors) for name, each in header["scheduler"].items()},
            random=tensors.get("random"),
        )

    def restore(
        self, scheduler: Scheduler, generator: torch.Generator | None, shape: torch.Size
    ) -> Tensor:
        """Bring a fresh scheduler and its generator to this state, and return the latents.

        Args:
            scheduler: built as that of the run which left this state.
            generator: likewise; None when the scheduler draws nothing.
            shape: (b, c, F, h, w) of the run.

        Raises:
            CheckpointError: the state belongs to another kind of run.
        """
        mine = (self.scheduler_class, self.steps, self.latents.shape, self.random is None)
        theirs = (type(scheduler).__name__, len(scheduler.timesteps), shape, generator is None)
        if mine != theirs:
            raise CheckpointError(
                f"the checkpoint is of {mine[0]} with {mine[1]} timesteps on latents"
                f" {tuple(mine[2])}; the run is of {theirs[0]} with {theirs[1]} on {tuple(shape)}"
            )
        vars(scheduler).update({name: _copied(each) for name, each in self.scheduler.items()})
        if generator is not None and self.random is not None:
            generator.set_state(self.random)
        return self.latents


def capture(
    step: int,
    latents: Tensor,
    scheduler: Scheduler,
    fresh: Mapping[str, Any],
    generator: torch.Generator | None,
) -> DenoiseState:
    """Return the state of a run after a step; later steps do not change it.

    Args:
        fresh: the scheduler's attributes before its first step.

    Raises:
        CheckpointError: the scheduler remembers something that a file cannot hold.
    """
    remembered = {}
    for name, value in vars(scheduler).items():
        if _is_storable(value):
            remembered[name] = _copied(value)
        elif fresh.get(name) is not value:
            kind = type(value).__name__
            raise CheckpointError(f"{type(scheduler).__name__} keeps a {kind} in {name!r}")
    return DenoiseState(
        step=step,
        steps=len(scheduler.timesteps),
        latents=latents,
        scheduler_class=type(scheduler).__name__,
        scheduler=remembered,
        random=None if generator is None else generator.get_state(),
    )


def _is_storable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_storable(each) for each in value)
    return isinstance(value, (*_PLAIN, Tensor, np.ndarray, np.generic))


def _copied(value: Any) -> Any:
    """A copy of lists, which schedulers change in place; they replace tensors and arrays."""
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _own(tensor: Tensor) -> Tensor:
    """A copy with memory of its own, which the file format asks for.

    NumPy makes it: a copy by torch in the thread that writes checkpoints would leave a second team
    of OpenMP threads there, and the denoising would take 1.5 times as long (decision 0018).
    """
    return torch.from_numpy(tensor.detach().cpu().numpy().copy(order="C"))


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON of a value, whose tensors go into `tensors` under new names."""
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(each, tensors) for each in value]}
    if isinstance(value, _PLAIN) and not isinstance(value, np.generic):
        return value
    name = f"scheduler.{len(tensors)}"
    if isinstance(value, Tensor):
        tensors[name] = _own(value)
        return {"tensor": name}
    tensors[name] = torch.from_numpy(np.array(value))
    return {"scalar" if isinstance(value, np.generic) else "array": name}


def _unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(packed, dict):
        return packed
    [(kind, content)] = packed.items()
    if kind in ("list", "tuple"):
        values = [_unpack(each, tensors) for each in content]
        return values if kind == "list" else tuple(values)
    if kind == "tensor":
        return tensors[content]
    array = tensors[content].numpy()
    return array if kind == "array" else array[()]
