"""The log of a part of `tcan up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.embedded.part import Part
from tests.servers import wait_until


def test_long_log_is_kept_once_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.embedded.part.MAX_LOG_BYTES", 10)
    part = Part("part", ("echo", "a line"), tmp_path / "logs" / "part.log")
    kept = tmp_path / "logs" / "part.log.1"
    for expected in ("", "", "a line\na line\n"):
        part.limit_log()
        assert (kept.read_text() if kept.exists() else "") == expected
        part.start()
        wait_until(part.exit_reason, "the process has ended")
    assert part.log.read_text() == "a line\n"
    assert {file.stat().st_mode & 0o777 for file in (part.log, kept)} == {0o600}


def test_process_goes_on_in_the_log_that_was_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.embedded.part.MAX_LOG_BYTES", 0)
    script = 'echo first; while [ ! -e "$0" ]; do sleep 0.01; done; echo second'
    part = Part("part", ("sh", "-c", script, str(tmp_path / "go")), tmp_path / "part.log")
    part.start()
    wait_until(lambda: part.log.read_text() == "first\n", "the first line")
    part.limit_log()
    (tmp_path / "go").touch()
    wait_until(part.exit_reason, "the process has ended")
    assert part.log.read_text() == "second\n"
