"""Comparison of a resumed run's configuration with the one that it was started with."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from tcan_core.config import load_config
from tcan_core.errors import ConfigError

log = logging.getLogger(__name__)

# Keys, and sections as a whole, that change neither the samples nor what is learned from them.
ALLOWED = (
    "run.steps",
    "run.output",
    "run.export",
    "run.parts",
    "run.export_preset",
    "run.remote",
    "run.keep_checkpoints",
    "run.checkpoint_every_s",
    "run.log_every",
    "run.sheet_every",
    "run.trackers",
    "run.project",
    "run.device",
    "run.gradient_checkpointing",
    "run.threads",
    "run.loaders",
    "optimizer.max_skipped_steps",
    "validation",
    "data.cache",
    "shards.cache",
)
# Only their product with the number of processes counts; the checkpoint has it.
_GLOBAL_BATCH = ("run.batch_size", "optimizer.accumulation_steps")


def check_resumed(settings: Any, previous: Path) -> None:
    """Log how a configuration differs from the run's previous one, and refuse other training.

    Args:
        settings: configuration dataclass of a stage.
        previous: `config.yaml` of the run; nothing is compared if it does not exist.

    Raises:
        ConfigError: a value differs that changes the training, or `previous` cannot be read.
    """
    if not previous.exists():
        return
    before, now = flat(load_config(previous, type(settings))), flat(settings)
    changed = {
        key: f"{key}: {before.get(key)!r} before, {now.get(key)!r} now"
        for key in before | now
        if before.get(key) != now.get(key)
    }
    refused = [text for key, text in changed.items() if not _is_allowed(key)]
    if refused:
        raise ConfigError(
            f"{previous}: this run was started with other values ({'; '.join(refused)}). Resume it "
            "with those, or start a new run in another `run.output`. These may change: "
            f"{', '.join(ALLOWED)}; and {' and '.join(_GLOBAL_BATCH)}, if the samples per step of "
            "all processes stay the same"
        )
    if changed:
        log.warning("resuming with other values: %s", "; ".join(changed.values()))


def _is_allowed(key: str) -> bool:
    allowed = ALLOWED + _GLOBAL_BATCH
    return any(key == one or key.startswith(f"{one}.") for one in allowed)


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested dataclass by their dotted keys."""
    values = dict[str, Any]()
    for field in dataclasses.fields(settings):
        key, inner = f"{prefix}{field.name}", getattr(settings, field.name)
        values |= flat(inner, f"{key}.") if dataclasses.is_dataclass(inner) else {key: inner}
    return values
