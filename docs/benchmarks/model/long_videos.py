"""Memory of the denoising process for videos of several lengths, preset `mini`.

    python docs/benchmarks/model/long_videos.py [--frames 32 128 512]

Each length in a process of its own, one denoising step, as `tcan animate` does it. Printed are the
most bytes of tensors at one time, the same without those of the size of the video's latents, and
the process's largest resident memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

CHILD = "--child"
MOST_SPREAD = 0.10


def main() -> None:
    """Measure every length and print; exits with 1 when they differ by more than 10 %."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", nargs="+", type=int, default=[32, 128, 512])
    parser.add_argument(CHILD, action="store_true")
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.frames[0])))
        return
    rows = [_in_own_process(frames) for frames in asked.frames]
    print("frames | latents, KB | tensors, MB | without the latents, MB | resident, MB")
    for frames, row in zip(asked.frames, rows, strict=True):
        print(
            f"{frames:6} | {row['latents'] / 1e3:11.0f} | {row['tensors'] / 1e6:11.2f}"
            f" | {row['beyond'] / 1e6:24.2f} | {row['resident'] / 1e6:12.0f}"
        )
    worst = 0.0
    for name in ("beyond", "resident"):
        spread = max(row[name] for row in rows) / min(row[name] for row in rows) - 1
        worst = max(worst, spread)
        print(f"{name}: largest over smallest is {spread:+.1%} (wanted: at most 10 %)")
    sys.exit(worst > MOST_SPREAD)


def measure(frames: int) -> dict[str, int]:
    """Animate a puppet in one step; bytes."""
    from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
    from tcan_core.pipelines.animate_files import peak_memory_bytes
    from tcan_core.pipelines.memory.accounting import PeakAllocated
    from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene

    pipeline = AnimatePipeline.from_preset("mini")
    scene = sample_scene(FIRST_TEST_SEED, frames, 64)
    image = scene.source.draw(scene.source_pose)[0]
    codec = pipeline.tcan.codec
    latents = 4 * codec.latent_channels * frames * (64 // codec.factor) ** 2
    with (
        PeakAllocated() as tensors,
        PeakAllocated(lambda num_bytes: num_bytes != latents) as beyond,
    ):
        for _ in pipeline.frames(
            image,
            scene.driver.poses(scene.motion),
            scene.source_pose,
            AnimateSettings(num_inference_steps=2),
        ):
            pass
    return {
        "latents": latents,
        "tensors": tensors.peak_bytes,
        "beyond": beyond.peak_bytes,
        "resident": peak_memory_bytes(),
    }


def _in_own_process(frames: int) -> dict[str, int]:
    command = [sys.executable, __file__, CHILD, "--frames", str(frames)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    row: dict[str, int] = json.loads(done.stdout)
    return row


if __name__ == "__main__":
    main()
