"""Where the weights of the detectors of real people lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tcan_core.errors import WeightsError

MODELS_SETTING = "TCAN_MODELS"


def detector_files(detector: str, names: Sequence[str]) -> Path:
    """Return the folder that holds a detector's files, where `tcan models pull` leaves them.

    That is `<TCAN_MODELS>/<detector>`, by default under `~/.cache/tcan/models`; what is pulled is
    listed in `tcan_core/presets/<detector>/files.yaml`.

    Raises:
        WeightsError: a file is missing; it says which, and how to get it.
    """
    folder = _models_folder() / detector
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"detector {detector}: {folder} lacks {', '.join(missing)};"
            f" run `tcan models pull {detector}`"
        )
    return folder


def _models_folder() -> Path:
    setting = os.environ.get(MODELS_SETTING)
    if setting:
        return Path(setting).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tcan" / "models"
