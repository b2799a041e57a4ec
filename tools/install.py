"""Install packages with pip into this environment, with one line of output per package.

    .venv/bin/python tools/install.py LOG PIP_ARGUMENT...

pip's full output goes to LOG; its last lines are shown if pip fails. Standard library only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

FETCHED = re.compile(r"\s+(?:Downloading|Using cached) (?:\S*/)?([\w.]+)-([^-\s]+)\S* \(([^)]+)\)")
LOCAL = re.compile(r"Processing (?:\S*/)?([\w.]+)-([^-\s]+)\S*\.whl")
INSTALLING = re.compile(r"Installing collected packages: (.*)")
LINES_ON_FAILURE = 25


def describe(line: str) -> str | None:
    """Summarize a line of pip's output, or return None for unimportant lines."""
    if match := FETCHED.match(line):
        return f"  {match[1]} {match[2]} ({match[3]})"
    if match := LOCAL.match(line):
        return f"  {match[1]} {match[2]}"
    if match := INSTALLING.match(line):
        return f"  installing {match[1].count(',') + 1} packages ..."
    return None


def pip_output(arguments: list[str]) -> Iterator[str]:
    """Run `pip install` and yield its lines, standard error included.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    command = [sys.executable, "-m", "pip", "install", "--progress-bar", "off", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def main() -> int:
    """Install the packages and return the exit status."""
    log, *arguments = sys.argv[1:]
    started = time.monotonic()
    last: deque[str] = deque(maxlen=LINES_ON_FAILURE)
    with Path(log).open("w", encoding="utf-8") as file:
        try:
            for line in pip_output(arguments):
                file.write(line)
                last.append(line)
                if (summary := describe(line)) is not None:
                    print(summary, flush=True)
        except subprocess.CalledProcessError as error:
            print("".join(last), f"error: pip failed; its full output is in {log}", sep="")
            return error.returncode
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
