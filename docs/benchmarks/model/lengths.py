"""`tcan animate` of a short and of a long video, preset `mini`, default settings.

    OMP_NUM_THREADS=2 python docs/benchmarks/model/lengths.py [--frames 40 400] [--rounds 5]

Each run is a process of its own. A round runs both lengths, in alternating order, and compares them
with each other, since machines drift by more than the limit. Reported are the median time of all
rounds and the largest memory. Exits with 1 when a limit is exceeded: 60 s of denoising and 2.5 GB
for the short video; 1.25 times its memory and 1.05 times its time per frame for the long one.
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
MAX_DENOISE_S, MAX_BYTES = 60.0, 2.5e9
MAX_MEMORY, MAX_TIME = 1.25, 1.05


class Run(NamedTuple):
    """One run of the command."""

    denoise_s: float
    peak_bytes: int


class Limit(NamedTuple):
    """A measured value and its limit."""

    name: str
    value: float
    limit: float


def main() -> None:
    """Run, print, and check the limits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", nargs=2, type=int, default=[40, 400])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    runs: dict[int, list[Run]] = {frames: [] for frames in args.frames}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for frames in args.frames[:: -1 if number % 2 else 1]:
                runs[frames].append(animate(Path(folder), frames))
                denoise_s, peak_bytes = runs[frames][-1]
                print(
                    f"{frames:4} frames: {denoise_s:6.1f} s of denoising,"
                    f" {denoise_s / frames:.3f} s per frame, {peak_bytes / 1e9:.2f} GB",
                    flush=True,
                )
    is_exceeded = False
    for name, value, limit in limits(*args.frames, runs):
        is_exceeded |= value > limit
        print(f"{name}: {value:.2f} (wanted: at most {limit:g})")
    sys.exit(is_exceeded)


def limits(short: int, long: int, runs: dict[int, list[Run]]) -> list[Limit]:
    """Return the measured values of both lengths, with their limits."""
    per_frame = {f: [run.denoise_s / f for run in of_length] for f, of_length in runs.items()}
    peak = {frames: max(run.peak_bytes for run in of_length) for frames, of_length in runs.items()}
    return [
        Limit(
            f"seconds of denoising, {short} frames", short * min(per_frame[short]), MAX_DENOISE_S
        ),
        Limit(f"GB, {short} frames", peak[short] / 1e9, MAX_BYTES / 1e9),
        Limit("memory, long over short", peak[long] / peak[short], MAX_MEMORY),
        Limit(
            "time per frame, long over short",
            median(b / a for a, b in zip(per_frame[short], per_frame[long], strict=True)),
            MAX_TIME,
        ),
    ]


def animate(folder: Path, frames: int) -> Run:
    """Animate a puppet by a pose file, in a process of its own."""
    image, driving = folder / "source.png", folder / f"driving-{frames}.json"
    scene = sample_scene(FIRST_TEST_SEED, frames, SIDE)
    write_png(image, scene.source.draw(scene.source_pose)[0])
    poses = scene.driving.poses(scene.motion)
    write_pose_file(driving, [[pose] for pose in poses], float(FPS))
    arguments = [
        "animate",
        "--image",
        str(image),
        "--driving",
        str(driving),
        "--seed",
        "1",
        "--json",
    ]
    arguments += ["--out", str(folder / "out.mp4")]
    process = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(process.stdout)
    assert report["frames"] == frames, report
    return Run(report["seconds"]["denoise"], report["peak_memory_bytes"])


if __name__ == "__main__":
    main()
