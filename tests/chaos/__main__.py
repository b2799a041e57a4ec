"""`make chaos`: run the service under fault injection and print a report; fail if a job is lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import run


def main() -> int:
    """Parse the arguments, run the test and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, default=600, help="duration of the faults, without the drain"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the faults")
    parser.add_argument("--model", action="store_true", help="workers run mini instead of painting")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tcan-chaos-"))
    print(f"seed {arguments.seed}; logs in {folder}", flush=True)
    report = run(arguments.seconds, arguments.seed, folder, model=arguments.model)
    print(report.text())
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
