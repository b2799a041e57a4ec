"""Weights of the detectors of real people: their folder and their integrity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import load_file_set
from tcan_core.models.weights.store import check_digest


def detector_files(detector: str, names: Sequence[str]) -> Path:
    """Return the folder of a detector's files.

    It is `<TCAN_MODELS>/<detector>`, by default under `~/.cache/tcan/models`, to which
    `tcan models pull` writes them, or `tcan_core/presets/<detector>` if they are shipped. They are
    listed in `tcan_core/presets/<detector>/files.yaml`.

    Raises:
        WeightsError: a file is missing, or differs from the digest in `files.yaml` or in the
            store's lock file.
    """
    file_set = load_file_set(detector)
    folder = file_set.folder
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"detector {detector}: {folder} lacks {', '.join(missing)};"
            f" run `tcan models pull {detector}`"
        )
    for name in names:
        check_digest(folder / name, file_set.files[name].sha256)
    return folder


def has_weights(detector: str) -> bool:
    """Return whether all files of a detector are in their folder; their digests are not checked."""
    file_set = load_file_set(detector)
    return all((file_set.folder / name).is_file() for name in file_set.files)
