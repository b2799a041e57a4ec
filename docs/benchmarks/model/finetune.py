"""Fine-tune `mini` to puppets that it has never seen, and measure those and others.

    PYTHONPATH=. .venv/bin/python docs/benchmarks/model/finetune.py OUT [--puppets N]

Each puppet is given as single pictures in poses of random motions. The LoRA is trained with
`mini/finetune`; clips of other motions are animated from a standing picture, before and after.
Other puppets are measured with each of the fine-tuned models. Prints means over clips, with 95 %
intervals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from media.image import write_png
from media.poses.keypoints import Pose
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.evaluation import metrics
from tcan_core.evaluation.intervals import paired_difference
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.motion import sample_motion
from tcan_core.puppets.world import FIRST_TEST_SEED, Character, sample_scene
from tcan_core.training.stages import run_stage

SIZE, FRAMES = 64, 24
FIRST, OTHERS = FIRST_TEST_SEED + 700_000, FIRST_TEST_SEED + 800_000


def poses_of(character: Character, seed: int, motion: int) -> list[Pose]:
    """Return the poses of a character in a numbered random motion."""
    return character.poses(sample_motion(np.random.default_rng([seed, motion]), FRAMES))


def write_pictures(folder: Path, seed: int, count: int) -> None:
    """Write a puppet's pictures with their poses, in the layout of `folders`."""
    character = sample_scene(seed, 1, SIZE).source
    for name in ("images", "dwpose"):
        (folder / "puppet" / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pose = poses_of(character, seed, 1000 + index)[index % FRAMES]
        write_png(folder / f"puppet/images/{index:02d}.png", character.draw(pose)[0])
        write_png(folder / f"puppet/dwpose/{index:02d}.png", draw_pose(pose))


def moving_region_psnr(pipeline: AnimatePipeline, seed: int, clips: int) -> list[float]:
    """Animate a puppet's standing picture in some motions, and measure each clip."""
    scene = sample_scene(seed, 1, SIZE)
    character, still = scene.source, scene.source.draw(scene.source_pose)[0]
    values = []
    for motion in range(clips):
        poses = poses_of(character, seed, motion)
        truth = np.stack(list(character.frames(poses)))
        result = pipeline(still, poses, source_pose=scene.source_pose, seed=motion, retarget=False)
        moving = metrics.moving_region_mask(still, truth)
        values.append(metrics.moving_region_psnr(np.asarray(result), truth, moving))
    return values


def tuned_preset(folder: Path, seed: int, count: int, overrides: list[str]) -> str:
    """Fine-tune to one puppet and return the path of the exported preset."""
    preset = folder / "parts" / "preset.yaml"
    if not preset.exists():
        write_pictures(folder / "pictures", seed, count)
        own = [f"run.output={folder}/run", f"run.export={folder}/parts"]
        own += [f"folders.root={folder}/pictures"]
        run_stage("stage1", "mini/finetune", False, report, overrides + own)
    return str(preset)


def report(step: int, steps: int, scalars: dict[str, float]) -> None:
    """Print the scalars of some steps."""
    if step % 100 == 0:
        print(f"step {step} of {steps}:", scalars, flush=True)


def compare(name: str, before: list[float], after: list[float]) -> None:
    """Print means and the interval of their difference."""
    found = paired_difference(before, after)
    change = found.difference
    print(
        f"{name}: {found.clips} clips, {found.base:.2f} dB before, {found.other:.2f} dB after, "
        f"{change.mean:+.2f} ({change.low:+.2f} to {change.high:+.2f})",
        flush=True,
    )


def main() -> None:
    """Measure every puppet, then all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first puppet")
    parser.add_argument("--puppets", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--clips", type=int, default=12, help="clips of each fine-tuned puppet")
    parser.add_argument("--others", type=int, default=24, help="other puppets, a clip of each")
    parser.add_argument("--first-other", type=int, default=OTHERS, help="seed of the first of them")
    parser.add_argument("--override", action="append", default=[])
    options = parser.parse_args()

    def others(pipeline: AnimatePipeline) -> list[float]:
        seeds = range(options.first_other, options.first_other + options.others)
        return [moving_region_psnr(pipeline, seed, 1)[0] for seed in seeds]

    mini = AnimatePipeline.from_preset("mini")
    others_before = others(mini)
    totals: dict[str, list[list[float]]] = {"fine-tuned puppets": [[], []], "others": [[], []]}
    for seed in range(options.first, options.first + options.puppets):
        folder = options.out / str(seed)
        preset = tuned_preset(folder, seed, options.pictures, options.override)
        tuned = AnimatePipeline.from_preset(preset)
        before = moving_region_psnr(mini, seed, options.clips), others_before
        after = moving_region_psnr(tuned, seed, options.clips), others(tuned)
        for index, (name, total) in enumerate(totals.items()):
            compare(f"{seed}, {name}", before[index], after[index])
            total[0] += before[index]
            total[1] += after[index]
    for name, (base, changed) in totals.items():
        compare(name, base, changed)


if __name__ == "__main__":
    main()
