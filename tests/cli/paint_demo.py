"""`tcan demo` with the painting animator in the worker: `paint_demo.py OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.demo import show

WORKER = Path(__file__).resolve().parents[1] / "worker" / "paint_worker.py"

if __name__ == "__main__":
    show(Path(sys.argv[1]), seed=1_000_000, frames=9, worker=[sys.executable, str(WORKER)])
