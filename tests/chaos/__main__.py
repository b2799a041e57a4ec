"""`make chaos`: the service under harm. Prints a run's numbers; fails when something was lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import run


def main() -> int:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="of harm; draining comes on top")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is harmed")
    parser.add_argument("--model", action="store_true", help="workers run mini, and do not paint")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tcan-chaos-"))
    print(f"seed {chosen.seed}; logs in {folder}", flush=True)
    report = run(chosen.seconds, chosen.seed, folder, model=chosen.model)
    print(report.text())
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
