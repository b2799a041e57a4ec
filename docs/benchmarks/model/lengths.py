"""`tcan animate` of a short and of a long video, preset `mini`, default settings.

    OMP_NUM_THREADS=2 python docs/benchmarks/model/lengths.py [--frames 40 400] [--rounds 5]

Each run is a process of its own. A round runs both lengths, in the other order than the round
before, and compares the two with each other, for machines drift by more than the bound; the median
of the rounds counts. Of memory the largest counts. Exits with 1 when a bound is
broken: 60 s of denoising and 2.5 GB for the short one; for the long one 1.25 times its memory and
1.05 times its time per frame.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from media.image import write_png
from media.poses.pose_file import write_pose_file
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene

ROOT = Path(__file__).resolve().parents[3]
SIDE, FPS = 64, Fraction(12)
MOST_DENOISE_S, MOST_BYTES = 60.0, 2.5e9
MOST_MEMORY, MOST_TIME = 1.25, 1.05


class Run(NamedTuple):
    """One run of the command."""

    denoise_s: float
    peak_bytes: int


class Bound(NamedTuple):
    """What must not be exceeded."""

    name: str
    found: float
    most: float


def main() -> None:
    """Run, print, and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", nargs=2, type=int, default=[40, 400])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    runs: dict[int, list[Run]] = {frames: [] for frames in asked.frames}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for frames in asked.frames[:: -1 if number % 2 else 1]:
                runs[frames].append(animated(Path(folder), frames))
                denoise_s, peak_bytes = runs[frames][-1]
                print(
                    f"{frames:4} frames: {denoise_s:6.1f} s of denoising,"
                    f" {denoise_s / frames:.3f} s per frame, {peak_bytes / 1e9:.2f} GB",
                    flush=True,
                )
    broken = False
    for name, found, most in bounds(*asked.frames, runs):
        broken |= found > most
        print(f"{name}: {found:.2f} (wanted: at most {most:g})")
    sys.exit(broken)


def bounds(short: int, long: int, runs: dict[int, list[Run]]) -> list[Bound]:
    """What is found of the two lengths, and what is wanted."""
    per_frame = {f: [run.denoise_s / f for run in found] for f, found in runs.items()}
    peak = {frames: max(run.peak_bytes for run in found) for frames, found in runs.items()}
    return [
        Bound(
            f"seconds of denoising, {short} frames", short * min(per_frame[short]), MOST_DENOISE_S
        ),
        Bound(f"GB, {short} frames", peak[short] / 1e9, MOST_BYTES / 1e9),
        Bound("memory, long over short", peak[long] / peak[short], MOST_MEMORY),
        Bound(
            "time per frame, long over short",
            median(b / a for a, b in zip(per_frame[short], per_frame[long], strict=True)),
            MOST_TIME,
        ),
    ]


def animated(folder: Path, frames: int) -> Run:
    """Animate a puppet by a pose file, in a process of its own."""
    image, driving = folder / "source.png", folder / f"driving-{frames}.json"
    scene = sample_scene(FIRST_TEST_SEED, frames, SIDE)
    write_png(image, scene.source.draw(scene.source_pose)[0])
    poses = scene.driver.poses(scene.motion)
    write_pose_file(driving, [[pose] for pose in poses], float(FPS))
    words = ["animate", "--image", str(image), "--driving", str(driving), "--seed", "1", "--json"]
    words += ["--out", str(folder / "out.mp4")]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["frames"] == frames, report
    return Run(report["seconds"]["denoise"], report["peak_memory_bytes"])


if __name__ == "__main__":
    main()
