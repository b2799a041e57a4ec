"""A real worker process around the painting animator, set up by the environment."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from service.settings import Settings
from tests.worker.paint import PaintAnimator
from worker.main import run_worker

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(run_worker(Settings(), PaintAnimator(step_s=float(os.environ["PAINT_STEP_S"]))))
