"""Where the weights of the detectors of real people lie, and whether they are what was pulled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import load_file_set
from tcan_core.models.weights.store import check_digest, store_folder


def detector_files(detector: str, names: Sequence[str]) -> Path:
    """Return the folder that holds a detector's files, where `tcan models pull` leaves them.

    That is `<TCAN_MODELS>/<detector>`, by default under `~/.cache/tcan/models`; what is pulled is
    listed in `tcan_core/presets/<detector>/files.yaml`.

    Raises:
        WeightsError: a file is missing; it says which, and how to get it. Or it is another one than
            `files.yaml` pins, or the store's lock says.
    """
    folder = store_folder(detector)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"detector {detector}: {folder} lacks {', '.join(missing)};"
            f" run `tcan models pull {detector}`"
        )
    pinned = load_file_set(detector).files
    for name in names:
        check_digest(folder / name, pinned[name].sha256)
    return folder
