"""Every few steps a frame of the network's current guess, as a small WebP for callers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from service.errors import ServiceError
from worker.animation import Picture, Report, Step

logger = logging.getLogger(__name__)

# At most so many per attempt, evenly over the steps; the last step's is the result itself.
MOST = 6
QUALITY = 80


class PreviewWriter:
    """Passes steps on, and publishes a preview after some of them.

    A preview that fails is logged and left out: it is not worth a job.

    Args:
        report: told of every step first.
        publish: stores a file, and tells of it.
        folder: where files are made.
    """

    def __init__(self, report: Report, publish: Callable[[Path], None], folder: Path) -> None:
        self._report = report
        self._publish = publish
        self._folder = folder
        self._next = 0

    def __call__(self, step: Step) -> None:
        """Take one step."""
        self._report(step)
        if step.picture is None or step.step >= step.steps:
            return
        every = max(1, step.steps // MOST)
        self._next = max(self._next, every)
        if step.step >= self._next:
            self._try(step.step, step.picture)
            self._next = step.step + every

    def _try(self, number: int, picture: Picture) -> None:
        try:
            pixels = picture()
            if pixels is None:
                return
            file = self._folder / f"preview-{number}.webp"
            Image.fromarray(pixels).save(file, "WEBP", quality=QUALITY)
            self._publish(file)
        except (ServiceError, OSError, RuntimeError) as error:
            logger.warning("no preview of step %d: %s", number, error)
