"""Interface of a training stage."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.training.samples import Samples
from tcan_core.training.validation import ClipValidation


class Stage(Protocol):
    """The part of a training command that differs between stages."""

    @property
    def trained(self) -> nn.ModuleDict:
        """The trained modules; their parameters with `requires_grad` are optimised."""

    @property
    def base(self) -> tuple[str, ...]:
        """Names of the frozen parts that the trained ones are built on."""

    @property
    def validation(self) -> ClipValidation | None:
        """Validation during training; None for none."""

    def open_data(self) -> None:
        """Open the data; `loss`, `sheet` and `validation` need it, `export` does not.

        Raises:
            ConfigError: there is no usable data.
        """

    def loss(self, samples: Samples) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of these samples, a scalar, and scalars to log."""

    def clips(self, samples: Samples) -> list[str]:
        """Return the names of the clips that `loss` draws for these samples, for messages."""

    def sheet(self) -> NDArray[np.uint8]:
        """Return a sample sheet, (height, width, 3), of the current model."""

    def export(self, folder: Path) -> None:
        """Write the trained parts."""
