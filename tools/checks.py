"""Run checks that need programs, and list those whose program is missing. Standard library only."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Check = tuple[str, Callable[[], str]]
"""A name, and a function that returns a summary."""


class SkippedError(Exception):
    """A missing program; the message is the reason of the skip."""


class FailedError(Exception):
    """A failed check; the message has its findings."""


def run_checks(checks: Iterable[Check]) -> int:
    """Run the checks and print a line for each, skipped ones again at the end.

    Returns:
        1 if a check failed, else 0.
    """
    failures = 0
    skipped: dict[str, list[str]] = {}
    for name, check in checks:
        began_s = time.monotonic()
        try:
            line = f"ok       {name}: {check()}"
        except SkippedError as reason:
            line = f"skipped  {name}: {reason}"
            skipped.setdefault(str(reason), []).append(name)
        except FailedError as finding:
            line = f"FAILED   {name}:\n{finding}"
            failures += 1
        print(f"{line} ({time.monotonic() - began_s:.1f} s)", flush=True)
    for cause, names in skipped.items():
        print(f"NOT CHECKED, {cause}: {', '.join(names)}")
    return min(failures, 1)


def installed(folder: Path, name: str) -> str:
    """Return the path of a program in a folder of programs.

    Raises:
        SkippedError: the tool is not installed.
    """
    path = folder / name
    if not path.exists():
        raise SkippedError(f"{name} is not in {folder.relative_to(ROOT).parent}")
    return str(path)


def run_program(
    command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output.

    Args:
        environment: variables that are added to this process's.

    Raises:
        FailedError: it fails; the message is its output.
    """
    variables = {**os.environ, **(environment or {})}
    process = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    if process.returncode:
        raise FailedError((process.stdout + process.stderr).strip()[-4000:])
    return process
