"""Progress of the detection of poses, and its end after a cancel."""

from __future__ import annotations

from collections.abc import Callable

from tcan_core.progress import AnimateProgress, ProgressCallback
from worker.failures import AnimationCanceledError


def detection_progress(
    report: ProgressCallback, is_canceled: Callable[[], bool]
) -> Callable[[int, int], None]:
    """Return a function that reports each batch of frames, or raises after a cancel."""
    check = cancel_check(is_canceled)

    def progress(done: int, expected: int) -> None:
        check()
        report(AnimateProgress("prepare", done, expected, fraction=done / max(expected, 1)))

    report(AnimateProgress("prepare", 0, 0, fraction=0.0))
    return progress


def cancel_check(is_canceled: Callable[[], bool]) -> Callable[[], None]:
    """Return a function that raises AnimationCanceledError after a cancel."""

    def check() -> None:
        if is_canceled():
            raise AnimationCanceledError

    return check
