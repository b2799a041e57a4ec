"""The state of a denoising run between two steps, to resume from.

A resumed run gives the same bits as an uninterrupted one. A state therefore contains the latents,
the scheduler's state and the state of its random generator. Its file is safetensors with JSON in
the header; loading it runs no code.
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
    """The state of a run after `step` of its `steps`.

    Attributes:
        step: complete steps, 1..steps.
        latents: (b, c, F, h, w) float32 on the host, input of the next step.
        scheduler: the scheduler's attributes by name: plain values, tensors, arrays, and lists or
            tuples of these.
        random: state of the scheduler's random generator, (bytes,) uint8; None if it has none.
    """

    step: int
    steps: int
    latents: Tensor
    scheduler_class: str
    scheduler: Mapping[str, Any]
    random: Tensor | None

    def save(self, path: Path) -> None:
        """Write the state to a file. Raises OSError if that fails."""
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
        """Read a file of `save`.

        Raises:
            CheckpointError: the file is missing, damaged, or of another format.
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
        """Set a new scheduler and its generator to this state, and return the latents.

        Args:
            scheduler: built like that of the saved run.
            generator: its random generator; None if it has none.
            shape: (b, c, F, h, w) of the run.

        Raises:
            CheckpointError: the state belongs to another kind of run.
        """
        saved = (self.scheduler_class, self.steps, self.latents.shape, self.random is None)
        expected = (type(scheduler).__name__, len(scheduler.timesteps), shape, generator is None)
        if saved != expected:
            raise CheckpointError(
                f"the checkpoint is of {saved[0]} with {saved[1]} timesteps on latents"
                f" {tuple(saved[2])}; the run is of {expected[0]} with {expected[1]} on"
                f" {tuple(shape)}"
            )
        vars(scheduler).update({name: _copied(each) for name, each in self.scheduler.items()})
        if generator is not None and self.random is not None:
            generator.set_state(self.random)
        return self.latents


def capture(
    step: int,
    latents: Tensor,
    scheduler: Scheduler,
    initial: Mapping[str, Any],
    generator: torch.Generator | None,
) -> DenoiseState:
    """Return the state of a run after a step; later steps do not change it.

    Args:
        initial: the scheduler's attributes before its first step.

    Raises:
        CheckpointError: the scheduler's state cannot be saved.
    """
    attributes = {}
    for name, value in vars(scheduler).items():
        if _is_storable(value):
            attributes[name] = _copied(value)
        elif initial.get(name) is not value:
            kind = type(value).__name__
            raise CheckpointError(
                f"{type(scheduler).__name__}.{name} is of type {kind}: no checkpoint can store it"
            )
    return DenoiseState(
        step=step,
        steps=len(scheduler.timesteps),
        latents=latents,
        scheduler_class=type(scheduler).__name__,
        scheduler=attributes,
        random=None if generator is None else generator.get_state(),
    )


def _is_storable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_storable(each) for each in value)
    return isinstance(value, (*_PLAIN, Tensor, np.ndarray, np.generic))


def _copied(value: Any) -> Any:
    """Copy lists, which schedulers change in place; they replace tensors and arrays."""
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _own(tensor: Tensor) -> Tensor:
    """Return a copy with memory of its own, as the file format requires.

    NumPy copies it: torch would start a second set of OpenMP threads in the thread that writes
    checkpoints, and denoising would take 1.5 times as long (decision 0018).
    """
    return torch.from_numpy(tensor.detach().cpu().numpy().copy(order="C"))


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return JSON of a value; its tensors are added to `tensors` under new names."""
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
