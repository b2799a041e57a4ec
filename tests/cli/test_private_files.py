"""Folders of the service are checked when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.private_files import make_writable
from service.errors import SettingsError


def test_missing_folder_is_created_and_stays_empty(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "spool"
    make_writable(folder)
    make_writable(folder)
    assert list(folder.iterdir()) == []


def test_folder_without_write_access_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.touch()  # a root user could write to a folder of any mode
    with pytest.raises(
        SettingsError, match=rf"{folder}: user \d+ cannot create files there: .*chown"
    ):
        make_writable(folder)
