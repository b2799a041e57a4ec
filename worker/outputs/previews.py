"""Every few steps a frame of the network's current guess, as a small WebP for callers.

The picture is made in the thread of the step, which has the model; that thread waits for nothing
else. Another one packs it and stores it, without torch (decision 0018).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import ServiceError
from tcan_core.progress import AnimateProgress, Picture
from worker.animation import Report
from worker.runtime.background import Beside

logger = logging.getLogger(__name__)

# At most so many per attempt, evenly over the steps; the last step's is the result itself.
MOST = 6
QUALITY = 80

Publish = Callable[[int, bytes], None]


class _Shown(NamedTuple):
    step: int
    pixels: NDArray[np.uint8]


class PreviewWriter:
    """Passes steps on, and publishes a preview after some of them, beside the work.

    A preview that fails is logged and left out, and one that waits gives way to a newer one: it is
    not worth a job. The end of the `with` block waits for none.

    Args:
        report: told of every step first.
        publish: called with a step's number and a WebP; stores it, and tells of it.
    """

    def __init__(self, report: Report, publish: Publish) -> None:
        self._report = report
        self._publish = publish
        self._next = 0
        self._beside = Beside("previews", self._write)

    def __enter__(self) -> Self:
        self._beside.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._beside.close(wait=False)

    def __call__(self, step: AnimateProgress) -> None:
        """Take one step."""
        self._report(step)
        if step.stage != "denoise" or step.step >= step.steps:
            return
        every = max(1, step.steps // MOST)
        self._next = max(self._next, every)
        if step.step >= self._next:
            self._show(step.step, step.picture)
            self._next = step.step + every

    def _show(self, number: int, picture: Picture) -> None:
        try:
            pixels = picture()
        except (ServiceError, OSError, RuntimeError) as error:
            logger.warning("no preview of step %d: %s", number, error)
            return
        if pixels is not None:
            self._beside.put(_Shown(number, pixels))

    def _write(self, shown: _Shown) -> float:
        try:
            self._publish(shown.step, webp(shown.pixels))
        except Exception as error:
            logger.warning("no preview of step %d: %s", shown.step, error)
        return 0.0


def webp(pixels: NDArray[np.uint8]) -> bytes:
    """A picture, (height, width, 3) RGB, as WebP."""
    packed = BytesIO()
    Image.fromarray(pixels).save(packed, "WEBP", quality=QUALITY)
    return packed.getvalue()
