"""Scores of Lighthouse for three views of the studio, on a slow phone and on a desktop.

python docs/benchmarks/studio/lighthouse.py [--out FOLDER]

Needs Node.js with npx, which fetches Lighthouse, and Chromium (`make browser`). It starts an
embedded service, makes one video, and opens the page. Every score must be 95 or more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.demo import draw_pair
from tcan_client import Client
from tests.studio.conftest import studio_running

LIGHTHOUSE = "lighthouse@12"
CATEGORIES = ("performance", "accessibility", "best-practices")
REQUIRED = 0.95
FORMS = {"phone": (), "desktop": ("--preset=desktop",)}


def measure(url: str, options: tuple[str, ...], report: Path) -> dict[str, float]:
    """Return the score of each category, 0 to 1, and write Lighthouse's report."""
    command = ["npx", "--yes", LIGHTHOUSE, url, "--quiet", *options, "--output=json"]
    command += [f"--output-path={report}", f"--only-categories={','.join(CATEGORIES)}"]
    command += ["--chrome-flags=--headless=new --no-sandbox"]
    subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": chromium()})
    categories = json.loads(report.read_text(encoding="utf-8"))["categories"]
    return {name: float(categories[name]["score"]) for name in CATEGORIES}


def chromium() -> str:
    """Return the path of Debian's Chromium; ends the command without one."""
    return shutil.which("chromium") or sys.exit("chromium is not installed; run 'make browser'")


def main() -> None:
    """Print a line for each view and form, and fail if a score is too low."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for Lighthouse's reports; default: none")
    out = parser.parse_args().out
    if out:
        out.mkdir(parents=True, exist_ok=True)
    lowest = 1.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with studio_running(folder) as service, Client(service.url) as client:
            pair = draw_pair(folder, seed=1_000_000, frames=24)
            job = client.animate(pair / "source.png", pair / "driving.mp4", folder / "result.mp4")
            views = {"empty": "", "result": f"?job={job.id}", "history": "?view=history"}
            for form, options in FORMS.items():
                for view, query in views.items():
                    report = (out or folder) / f"{view}-{form}.json"
                    scores = measure(f"{service.url}/studio{query}", options, report)
                    print(form, view, *(f"{k} {100 * v:.0f}" for k, v in scores.items()), sep="  ")
                    lowest = min(lowest, *scores.values())
    sys.exit(0 if lowest >= REQUIRED else f"a score is below {100 * REQUIRED:.0f}")


if __name__ == "__main__":
    main()
