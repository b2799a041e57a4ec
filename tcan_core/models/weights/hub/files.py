"""What can be pulled: single files of the hub, and named sets of them."""

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
        repo: owner and name.
        file: path in the repository.
        revision: a commit. None takes `main` at the first pull, and what that was ever after.
        sha256: of the file. None trusts the first pull, and holds later ones to it.
        license: name of its licence, shown before it is fetched.
    """

    repo: str
    file: str
    revision: str | None = None
    sha256: str | None = None
    license: str = ""

    def __str__(self) -> str:
        return f"{self.repo}/{self.file}"


@dataclass(frozen=True)
class FileSet:
    """Files that are kept as they are: `files.yaml` in `tcan_core/presets/<name>` or in a store.

    Attributes:
        files: by the name under which each is kept.
    """

    name: str
    description: str
    files: dict[str, HubFile] = field(default_factory=dict)

    @property
    def licences(self) -> list[str]:
        """The names of its files' licences, each once."""
        return sorted({file.license for file in self.files.values() if file.license})


def file_sets() -> list[str]:
    """Return the names of all sets: shipped ones, then those of the models folder."""
    shipped, own = (
        sorted(path.parent.name for path in folder.glob("*/files.yaml"))
        for folder in (PRESETS_FOLDER, models_folder())
    )
    return [*shipped, *(name for name in own if name not in shipped)]


def file_set_path(name: str) -> Path:
    """Return where the YAML of a set lies, shipped or in the models folder; it need not exist."""
    shipped = PRESETS_FOLDER / name / "files.yaml"
    return shipped if shipped.exists() else store_folder(name) / "files.yaml"


def load_file_set(name: str) -> FileSet:
    """Read a set of files.

    Raises:
        ConfigError: there is none of that name, or its YAML is wrong.
    """
    return load_config(file_set_path(name), FileSet)


def pulled_file(set_name: str, name: str) -> Path:
    """Return where a set's file lies once `tcan models pull` has fetched it."""
    return store_folder(set_name) / name
