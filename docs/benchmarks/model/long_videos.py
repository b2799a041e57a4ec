"""Memory of the denoising process for videos of several lengths, preset `mini`.

    python docs/benchmarks/model/long_videos.py [--frames 32 128 512]

Each length runs in two processes, for two denoising steps. One counts the peak bytes of tensors,
and the same without those that are in host memory on any device: latents, and cached features of
poses (`caches.pose_cache`). The remainder is what a GPU would hold. The other process counts
nothing, as counting takes memory, too, and reports its largest resident memory.
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
MAX_SPREAD = 0.10


def main() -> None:
    """Measure every length and print; exits with 1 when they differ by more than 10 %."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", nargs="+", type=int, default=[32, 128, 512])
    parser.add_argument(CHILD, choices=["tensors", "resident"])
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.frames[0], count=args.child == "tensors")))
        return
    rows = [
        _in_own_process(frames, "tensors") | _in_own_process(frames, "resident")
        for frames in args.frames
    ]
    print("frames | latents, KB | features, KB | tensors, MB | without both, MB | resident, MB")
    for frames, row in zip(args.frames, rows, strict=True):
        print(
            f"{frames:6} | {row['latents'] / 1e3:11.0f} | {row['features'] / 1e3:12.0f}"
            f" | {row['tensors'] / 1e6:11.2f} | {row['beyond'] / 1e6:16.2f}"
            f" | {row['resident'] / 1e6:12.0f}"
        )
    worst = 0.0
    for name in ("beyond", "resident"):
        spread = max(row[name] for row in rows) / min(row[name] for row in rows) - 1
        worst = max(worst, spread)
        print(f"{name}: largest over smallest is {spread:+.1%} (wanted: at most 10 %)")
    sys.exit(worst > MAX_SPREAD)


def measure(frames: int, count: bool) -> dict[str, int]:
    """Animate a puppet in two steps and return bytes."""
    from tcan_core.models.caches.pose_cache import MAX_BYTES
    from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
    from tcan_core.pipelines.device_memory import peak_memory_bytes
    from tcan_core.planning.accounting import PeakMemory
    from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene

    pipeline = AnimatePipeline.from_preset("mini")
    scene = sample_scene(FIRST_TEST_SEED, frames, 64)
    image, poses = scene.source.draw(scene.source_pose)[0], scene.driving.poses(scene.motion)
    settings = AnimateSettings(num_inference_steps=2)

    def animate() -> None:
        for _ in pipeline.frames(image, poses, scene.source_pose, settings):
            pass

    if not count:
        animate()
        return {"resident": peak_memory_bytes()}
    codec = pipeline.tcan.codec
    latents = 4 * codec.latent_channels * frames * (64 // codec.factor) ** 2
    channels = pipeline.tcan.controlnet.config["block_out_channels"][0]
    of_frame = 4 * channels * (64 // codec.factor) ** 2
    tensors, beyond = PeakMemory(), PeakMemory(lambda size: size not in (latents, of_frame))
    with tensors, beyond:
        animate()
    return {
        "latents": latents,
        "features": frames * of_frame if frames * of_frame <= MAX_BYTES else 0,
        "tensors": tensors.peak_bytes,
        "beyond": beyond.peak_bytes,
    }


def _in_own_process(frames: int, what: str) -> dict[str, int]:
    command = [sys.executable, __file__, CHILD, what, "--frames", str(frames)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    row: dict[str, int] = json.loads(process.stdout)
    return row


if __name__ == "__main__":
    main()
