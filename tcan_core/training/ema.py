"""Exponential moving average of trained parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averaged copies of named parameters; the decay warms up during the first steps."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._parameters = dict(parameters)
        self.averages = {name: value.detach().clone() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the parameters after step `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = [self.averages[name] for name in self._parameters]
        torch._foreach_lerp_(
            averages, [value.detach() for value in self._parameters.values()], 1 - decay
        )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the parameters by their averages inside the context, and restore them after."""
        originals = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._copy(self.averages)
        try:
            yield
        finally:
            self._copy(originals)

    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Restore the averages from a checkpoint."""
        for name, value in averages.items():
            self.averages[name].copy_(value)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
