"""Celery's pool of threads, which tells the event loop at once when a task has ended."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import TaskPool
from kombu.asynchronous import Hub


class PromptPool(TaskPool):
    """A worker that fetches no hint ahead asks for the next one only when its event loop turns.

    With Celery's own pool that is at its next timer, up to a second after the task has ended.
    """

    _hub: Hub | None = None

    def register_with_event_loop(self, loop: Hub) -> None:
        """Celery hands over the loop."""
        self._hub = loop

    def on_apply(self, *arguments: Any, **options: Any) -> Any:
        """Start a task in a thread."""
        result = super().on_apply(*arguments, **options)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: Future[Any]) -> None:
        if self._hub is not None:
            self._hub.call_soon(lambda: None)
