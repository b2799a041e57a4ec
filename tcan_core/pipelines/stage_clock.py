"""Time of each stage of an animation, measured from its progress."""

from __future__ import annotations

import time

from tcan_core.progress import AnimateProgress, ProgressCallback


class StageClock:
    """A progress callback that measures the time of each stage and calls another callback."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._stage, self._since = "encode", time.monotonic()

    def note(self, progress: AnimateProgress) -> None:
        """Record progress; a new stage starts the clock again."""
        if progress.stage != self._stage:
            self.finish()
            self._stage = progress.stage
        if self._progress is not None:
            self._progress(progress)

    def finish(self) -> dict[str, float]:
        """End the current stage and return seconds by stage."""
        now = time.monotonic()
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
        return self._seconds
