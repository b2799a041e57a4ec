"""Scratch folders of killed owners are deleted; those of live ones stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.stores.scratch import NEW, WITHOUT_LOCK_S, scratch_folder, sweep_scratch
from service.submission.body_memory import BodyMemory
from service.submission.disk_budget import DiskBudget
from service.submission.spool import Spool

OWNER = """
import sys
from pathlib import Path
from service.stores.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "driving.mp4").write_bytes(b"half of it")
    print(folder, flush=True)
    sys.stdin.read()
"""


def let_a_day_pass(path: Path) -> None:
    old_s = path.stat().st_mtime - WITHOUT_LOCK_S - 1
    os.utime(path, (old_s, old_s))


def test_owner_deletes_its_scratch_folder(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "a").touch()
        assert folder.parent == tmp_path
    with pytest.raises(KeyError), scratch_folder(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_is_swept_only_after_owner_died(tmp_path: Path, repository: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=repository,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        with (
            scratch_folder(tmp_path) as mine,
            Spool(tmp_path, DiskBudget(0), BodyMemory()) as spool,
        ):
            living = {folder, mine, spool.folder}
            for path in living:
                let_a_day_pass(path)
            assert sweep_scratch(tmp_path) == []
            owner.kill()
            owner.wait()
            assert sweep_scratch(tmp_path) == [folder]
            assert set(tmp_path.iterdir()) == living - {folder}


def test_entries_without_lock_are_kept_for_a_day(tmp_path: Path) -> None:
    bare, new, file = tmp_path / "tmpx1", tmp_path / f"{NEW}x2", tmp_path / "file"
    for folder in (bare, new):
        folder.mkdir()
    (new / ".lock").touch()
    file.touch()
    assert sweep_scratch(tmp_path) == []
    for path in (bare, new, file):
        let_a_day_pass(path)
    assert sweep_scratch(tmp_path) == sorted((bare, new, file))
    assert list(tmp_path.iterdir()) == []


def test_sweep_of_missing_folder_does_nothing(tmp_path: Path) -> None:
    assert sweep_scratch(tmp_path / "none") == []
