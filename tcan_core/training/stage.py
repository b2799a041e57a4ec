"""Interface of a training stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.training.drawing import Drawing
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

    @property
    def drawing(self) -> Drawing:
        """The drawing of batches."""

    def open_data(self) -> None:
        """Open the data; `drawing`, `sheet` and `validation` need it, `export` does not.

        Raises:
            ConfigError: there is no usable data.
        """

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of a drawn micro-batch, a scalar, and scalars to log."""

    def sheet(self) -> NDArray[np.uint8]:
        """Return a sample sheet, (height, width, 3), of the current model."""

    def export(self, folder: Path) -> None:
        """Write the trained parts."""
