"""Files on the hub, and named sets of files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tcan_core.config import load_config
from tcan_core.models.weights.store import models_folder, store_folder

PRESETS_FOLDER = Path(__file__).parents[3] / "presets"


@dataclass(frozen=True)
class HubFile:
    """One file of a repository on the hub.

    Attributes:
        repo: owner and name of the repository.
        file: path in the repository.
        revision: commit; None uses `main` at the first pull and that commit at later ones.
        sha256: digest of the file; None trusts the first pull and checks later ones against it.
        license: name of its licence, shown before the download.
        size_bytes: its size, shown before the download; None if unknown.
    """

    repo: str
    file: str
    revision: str | None = None
    sha256: str | None = None
    license: str = ""
    size_bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.repo}/{self.file}"


@dataclass(frozen=True)
class FileSet:
    """A set of files: `files.yaml` in `tcan_core/presets/<name>` or in a store.

    Attributes:
        files: files by their local name, with their origin.
        shipped: whether they are next to the YAML; otherwise `tcan models pull` stores them.
    """

    name: str
    description: str
    files: dict[str, HubFile] = field(default_factory=dict)
    shipped: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return (PRESETS_FOLDER / self.name) if self.shipped else store_folder(self.name)

    @property
    def licences(self) -> list[str]:
        """The names of the files' licences, without duplicates."""
        return sorted({file.license for file in self.files.values() if file.license})


def file_sets() -> list[str]:
    """Return the names of all sets: shipped ones, then those in the models folder."""
    shipped, own = (
        sorted(path.parent.name for path in folder.glob("*/files.yaml"))
        for folder in (PRESETS_FOLDER, models_folder())
    )
    return [*shipped, *(name for name in own if name not in shipped)]


def file_set_path(name: str) -> Path:
    """Return the path of a set's YAML, shipped or in the models folder; it may not exist."""
    shipped = PRESETS_FOLDER / name / "files.yaml"
    return shipped if shipped.exists() else store_folder(name) / "files.yaml"


def load_file_set(name: str) -> FileSet:
    """Read a file set.

    Raises:
        ConfigError: there is no set of that name, or its YAML is invalid.
    """
    return load_config(file_set_path(name), FileSet)
