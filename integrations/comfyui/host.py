"""The part of ComfyUI that the nodes use while they work. It exists inside ComfyUI only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol

PROGRESS_STEPS = 1000


class SavedFile(NamedTuple):
    """A file in ComfyUI's output folder, and its entry in the results of a node."""

    path: Path
    entry: dict[str, Any]


class Host(Protocol):
    """The program that runs a node."""

    def report(self, fraction: float) -> None:
        """Show the completed fraction, 0 to 1, at the node.

        Raises the host's own exception once the user has canceled the run.
        """

    def new_file(self, prefix: str, suffix: str) -> SavedFile:
        """Return a new file of the output folder."""


class ComfyHost:
    """ComfyUI."""

    def __init__(self) -> None:
        from comfy.model_management import throw_exception_if_processing_interrupted
        from comfy.utils import ProgressBar

        self._bar = ProgressBar(PROGRESS_STEPS)
        self._check_canceled = throw_exception_if_processing_interrupted

    def report(self, fraction: float) -> None:
        """Implement `Host`."""
        self._bar.update_absolute(round(fraction * PROGRESS_STEPS))
        self._check_canceled()

    def new_file(self, prefix: str, suffix: str) -> SavedFile:
        """Implement `Host`."""
        import folder_paths

        root = folder_paths.get_output_directory()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, root)
        file = f"{name}_{counter:05}_{suffix}"
        entry = {"filename": file, "subfolder": subfolder, "type": "output"}
        return SavedFile(Path(os.path.join(folder, file)), entry)
