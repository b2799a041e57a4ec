"""Previews: a frame of the network's current guess after some steps, as a small WebP.

The image is made in the thread that runs the model. Another thread, which does not use torch,
encodes and stores it (decision 0018).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import ServiceError
from tcan_core.progress import AnimateProgress, ProgressCallback
from worker.runtime.background import LatestOnlyThread

logger = logging.getLogger(__name__)

# Previews per attempt: of the first step, then spread over the others; the last step's would be the
# result itself.
MAX_PREVIEWS = 6
QUALITY = 80

Publish = Callable[[int, bytes], None]


class _Preview(NamedTuple):
    step: int
    pixels: NDArray[np.uint8]


class PreviewWriter:
    """Passes progress on, and publishes a preview of the first step, and then every few steps.

    A preview that fails is logged and skipped, a waiting one is replaced by a newer one, and the
    end of the `with` block waits for none: no job fails or waits for a preview.

    Args:
        report: called with all progress first.
        publish: called with a step's number and a WebP, to store and announce it.
    """

    def __init__(self, report: ProgressCallback, publish: Publish) -> None:
        self._report = report
        self._publish = publish
        self._next = 1
        self._thread = LatestOnlyThread("previews", self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._thread.close(wait=False)

    def __call__(self, now: AnimateProgress) -> None:
        """Pass progress on and publish a preview if it is due."""
        self._report(now)
        is_after_step = now.stage == "denoise" and now.window == now.windows
        if is_after_step and self._next <= now.step < now.steps:
            self._queue(now)
            self._next = now.step + math.ceil(now.steps / MAX_PREVIEWS)

    def _queue(self, now: AnimateProgress) -> None:
        try:
            pixels = now.picture()
        except (ServiceError, OSError, RuntimeError) as error:
            logger.warning("preview failed: step=%d: %s", now.step, error)
            return
        if pixels is not None:
            self._thread.put(_Preview(now.step, pixels))

    def _write(self, preview: _Preview) -> float:
        try:
            self._publish(preview.step, webp(preview.pixels))
        except Exception as error:
            logger.warning("preview failed: step=%d: %s", preview.step, error)
        return 0.0


def webp(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an image, (height, width, 3) RGB, as WebP."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", quality=QUALITY)
    return content.getvalue()
