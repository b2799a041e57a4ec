"""Weights of the detectors of real people: their folder and their integrity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import load_file_set
from tcan_core.models.weights.store import check_digest, store_folder


def detector_files(detector: str, names: Sequence[str]) -> Path:
    """Return the folder of a detector's files, to which `tcan models pull` writes them.

    It is `<TCAN_MODELS>/<detector>`, by default under `~/.cache/tcan/models`; the files are
    listed in `tcan_core/presets/<detector>/files.yaml`.

    Raises:
        WeightsError: a file is missing, or differs from the digest in `files.yaml` or in the
            store's lock file.
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
