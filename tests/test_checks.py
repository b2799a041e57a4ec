"""Checks by programs that may be missing: tools/checks.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.checks import ROOT, FailedError, SkippedError, installed, run_checks, run_program


def test_each_check_has_a_line_and_skipped_ones_are_listed_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def skip() -> str:
        raise SkippedError("java is not installed")

    assert run_checks([("first", lambda: "3 files"), ("second", skip), ("third", skip)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       first: 3 files")
    assert lines[1].startswith("skipped  second: java is not installed")
    assert lines[-1] == "NOT CHECKED, java is not installed: second, third"


def test_failed_check_shows_its_findings(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> str:
        raise FailedError("line 3: a warning")

    assert run_checks([("first", fail), ("second", fail)]) == 1
    assert capsys.readouterr().out.count("line 3: a warning") == 2


def test_missing_program_is_skipped() -> None:
    with pytest.raises(SkippedError, match="^no-such is not in tools$"):
        installed(ROOT / "tools" / "bin", "no-such")


def test_failing_program_fails_with_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.environ['WORD']); raise SystemExit(1)"]
    with pytest.raises(FailedError, match="^a word$"):
        run_program(command, {"WORD": "a word"}, tmp_path)
