"""Damaged files of clip folders, which a run skips up to a limit."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from tcan_core.errors import ConfigError

log = logging.getLogger(__name__)


class DamagedFile(NamedTuple):
    """A file that was skipped.

    Attributes:
        root: folder of the clips.
        allowed: damaged files that a process may skip in this folder.
        what: clip, file and damage in words.
    """

    root: str
    allowed: int
    what: str


class DamagedFiles:
    """Damaged files that this process has met, each counted once."""

    def __init__(self) -> None:
        self._found: dict[str, list[DamagedFile]] = {}

    def note(self, files: Iterable[DamagedFile]) -> None:
        """Count and log those that are new.

        Raises:
            ConfigError: there are too many.
        """
        for file in files:
            found = self._found.setdefault(file.root, [])
            if file in found:
                continue
            found.append(file)
            if len(found) > file.allowed:
                raise too_many(found)
            log.warning(
                "damaged file %d of at most %d skipped: %s", len(found), file.allowed, file.what
            )


def too_many(found: Iterable[DamagedFile]) -> ConfigError:
    """Return the error that ends a run; it names all damaged files, which are of one folder."""
    files = sorted(set(found))
    root, allowed, _ = files[0]
    return ConfigError(
        f"{root}: {len(files)} damaged files, allowed are {allowed} (max_damaged): "
        f"{'; '.join(file.what for file in files)}. `tcan data check {root}` finds all of them"
    )
