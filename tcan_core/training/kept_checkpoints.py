"""Checkpoints of one run on this machine: the last ones, and the best by validation."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tcan_core.errors import ConfigError
from tcan_core.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint

BEST = "best.pt"
EARLIER = "checkpoints"  # folder of those before the last one, which `run.remote` does not hold


class KeptCheckpoints:
    """`checkpoint.pt` is the last one, `best.pt` the best, `checkpoints/<step>.pt` earlier ones.

    Args:
        folder: output of the run.
        count: number of last checkpoints to keep, at least 1.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.last, self.best, self._earlier = folder / CHECKPOINT, folder / BEST, folder / EARLIER
        self._count = count

    def save(self, state: dict[str, Any], previous: int) -> None:
        """Write the last checkpoint, and remove the oldest of those that are too many.

        Args:
            state: what `Trainer.state` returned.
            previous: step of the last checkpoint so far; 0 if there is none.
        """
        if self._count > 1 and 0 < previous < state["step"] and self.last.exists():
            kept = self._path(previous)
            kept.parent.mkdir(exist_ok=True)
            kept.unlink(missing_ok=True)
            # A second name, so that a kill at any moment leaves a last checkpoint.
            try:
                os.link(self.last, kept)
            except OSError:  # network file systems without hard links
                shutil.copyfile(self.last, kept)
        save_checkpoint(self.last, state)
        steps = [step for step in self._steps() if step < state["step"]]
        for step in steps[: max(len(steps) - self._count + 1, 0)]:
            self._path(step).unlink()

    def save_best(self, state: dict[str, Any], score: float) -> None:
        """Write the checkpoint with the best score so far."""
        save_checkpoint(self.best, state | {"score": score})

    def best_score(self) -> tuple[float, int] | None:
        """Return score and step of the best checkpoint, or None if there is none."""
        if not self.best.exists():
            return None
        state = load_checkpoint(self.best)
        return float(state["score"]), int(state["step"])

    @property
    def size_bytes(self) -> int:
        """Size of all checkpoints that exist."""
        files = [self.last, self.best, *map(self._path, self._steps())]
        return sum(path.stat().st_size for path in files if path.exists())

    def find(self, name: str) -> Path:
        """Return the path of a checkpoint.

        Args:
            name: "last", "best" or a step.

        Raises:
            ConfigError: there is no such checkpoint; the message lists those that exist.
        """
        existing = {"last": self.last, "best": self.best}
        existing |= {str(step): self._path(step) for step in self._steps()}
        existing = {key: path for key, path in existing.items() if path.exists()}
        for key in ("last", "best"):
            if key in existing:
                existing.setdefault(str(load_checkpoint(existing[key])["step"]), existing[key])
        if name not in existing:
            raise ConfigError(
                f"{self.last.parent}: no checkpoint {name!r}; there are "
                f"{', '.join(existing) or 'none'}"
            )
        return existing[name]

    def _path(self, step: int) -> Path:
        return self._earlier / f"{step:07d}.pt"

    def _steps(self) -> list[int]:
        names = (path.stem for path in self._earlier.glob("*.pt"))
        return sorted(int(name) for name in names if name.isdigit())
