"""A thread pool for Celery that wakes the event loop as soon as a task has ended."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import TaskPool
from kombu.asynchronous import Hub


class PromptPool(TaskPool):
    """A thread pool whose worker fetches the next message right after a task.

    A worker without prefetching fetches it when its event loop runs. With Celery's own pool that is
    at its next timer, up to a second after the task has ended.
    """

    _hub: Hub | None = None

    def register_with_event_loop(self, loop: Hub) -> None:
        """Keep the event loop, which Celery passes in."""
        self._hub = loop

    def on_apply(self, *arguments: Any, **options: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*arguments, **options)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: Future[Any]) -> None:
        if self._hub is not None:
            self._hub.call_soon(lambda: None)
