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


# All other numbers of a configuration must not be negative.
OTHERS = Range(0)
_KEYS = {
    Range(0, without_least=True): "learning_rate epsilon max_grad_norm",
    Range(0, 1, without_most=True): "betas ema_decay",
    Range(0, 1): "reference_dropout empty_share compressed_share share lost thrown exchanged "
    "shifted jitter flip_share",
    Range(1): "accumulation_steps keep_checkpoints steps batch_size log_every sheet_every "
    "longest_frames characters frames size num_frames every clips num_inference_steps",
}
RANGES = {key: allowed for allowed, keys in _KEYS.items() for key in keys.split()}


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
