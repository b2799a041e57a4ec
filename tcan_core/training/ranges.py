"""Allowed ranges of the numbers in a training configuration, by key."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from tcan_core.errors import ConfigError


class Range(NamedTuple):
    """A range from `least` to `most`; each end may be excluded."""

    least: float
    most: float = math.inf
    without_least: bool = False
    without_most: bool = False

    def holds(self, value: float) -> bool:
        """Return whether the value is finite and inside the range."""
        above = self.least < value if self.without_least else self.least <= value
        below = value < self.most if self.without_most else value <= self.most
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"more than {self.least:g}" if self.without_least else f"at least {self.least:g}"
        first = f"{self.least:g}{' (exclusive)' if self.without_least else ''}"
        return f"{first} to {self.most:g}{' (exclusive)' if self.without_most else ''}"


COUNT, SHARE = Range(1), Range(0, 1)
POSITIVE, DECAY = Range(0, without_least=True), Range(0, 1, without_most=True)
# All other numbers of a configuration must not be negative.
OTHERS = Range(0)
RANGES = {
    "learning_rate": POSITIVE,
    "betas": DECAY,
    "epsilon": POSITIVE,
    "max_grad_norm": POSITIVE,
    "ema_decay": DECAY,
    "accumulation_steps": COUNT,
    "steps": COUNT,
    "batch_size": COUNT,
    "log_every": COUNT,
    "sheet_every": COUNT,
    "characters": COUNT,
    "frames": COUNT,
    "size": COUNT,
    "num_frames": COUNT,
    "every": COUNT,
    "clips": COUNT,
    "num_inference_steps": COUNT,
    "reference_dropout": SHARE,
    "empty_share": SHARE,
    "compressed_share": SHARE,
}


def check_ranges(config: Any, where: str) -> None:
    """Look at every number of a configuration, and of those in it.

    Args:
        config: a dataclass.
        where: its name in messages.

    Raises:
        ConfigError: a value is out of its range; the message names key, value and allowed range.
    """
    for field in dataclasses.fields(config):
        value, allowed = getattr(config, field.name), RANGES.get(field.name, OTHERS)
        if dataclasses.is_dataclass(value):
            check_ranges(value, f"{where}: {field.name}")
        for number in value if isinstance(value, tuple) else (value,):
            if _is_number(number) and not allowed.holds(number):
                raise ConfigError(f"{where}: {field.name} is {value}; allowed is {allowed}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
