"""How a worker process begins."""

from __future__ import annotations

import threading

import pytest

from tests.worker.paint import PaintAnimator
from worker.main import load_in_thread


class NotingAnimator(PaintAnimator):
    """Notes the thread that loads it."""

    thread: threading.Thread | None = None

    def load(self) -> None:
        """Load, and note."""
        self.thread = threading.current_thread()
        super().load()


def test_the_thread_that_loads_the_model_ends() -> None:
    animator = NotingAnimator()

    load_in_thread(animator)

    assert animator.thread is not None
    assert animator.thread is not threading.current_thread()
    assert not animator.thread.is_alive()


def test_error_of_loading_the_model_is_raised() -> None:
    class Broken(PaintAnimator):
        def load(self) -> None:
            raise OSError("no weights")

    with pytest.raises(OSError, match="no weights"):
        load_in_thread(Broken())
