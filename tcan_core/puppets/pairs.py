"""Write pairs with ground truth: source image, driving video, source with the same motion."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from media.video_writer import VideoWriter
from tcan_core.errors import ParameterError
from tcan_core.puppets.motion import FPS
from tcan_core.puppets.world import Character, sample_scene

MIN_SIZE, MAX_SIZE = 32, 1024


def render_pair(
    directory: Path, seed: int, num_frames: int, size: int = 64, proportions: str = "any"
) -> None:
    """Write one pair.

    The files are `source.png` and `source_pose.json`; `driving.mp4` and `driving_pose.json`, the
    motion of another character; `target/00000.png`... and `target.mp4`, the ground truth;
    `target_mask/00000.png`..., 255 on the character.

    Args:
        seed: seed of the scene; below 1,000,000 for training, from there upwards for tests.
        num_frames: number of frames, at least 1.
        size: side of the square images in pixels, 32..1024, even.
        proportions: "any", or "crossed" for a tall and a chibi character.

    Raises:
        ParameterError: an argument is out of range.
    """
    if num_frames < 1 or seed < 0:
        raise ParameterError(
            f"frames is {num_frames} and seed {seed}; they must be at least 1 and 0"
        )
    if not MIN_SIZE <= size <= MAX_SIZE or size % 2:
        raise ParameterError(f"size is {size}; it must be even and lie in {MIN_SIZE}..{MAX_SIZE}")
    scene = sample_scene(seed, num_frames, size, proportions)
    directory.mkdir(parents=True, exist_ok=True)
    write_png(directory / "source.png", scene.source.draw(scene.source_pose)[0])
    write_pose_file(directory / "source_pose.json", [[scene.source_pose]])
    driving_poses = scene.driving.poses(scene.motion)
    write_pose_file(directory / "driving_pose.json", [[pose] for pose in driving_poses], fps=FPS)
    _write_video(directory / "driving.mp4", scene.driving, driving_poses)
    _write_truth(directory, scene.source, scene.source.poses(scene.motion))


def _write_truth(directory: Path, character: Character, poses: list[Pose]) -> None:
    for name in ("target", "target_mask"):
        (directory / name).mkdir(exist_ok=True)
    for index, pose in enumerate(poses):
        frame, coverage = character.draw(pose)
        write_png(directory / "target" / f"{index:05d}.png", frame)
        mask = np.where(coverage > 0, 255, 0).astype(np.uint8)
        write_png(
            directory / "target_mask" / f"{index:05d}.png", np.repeat(mask[..., None], 3, axis=2)
        )
    _write_video(directory / "target.mp4", character, poses)


def _write_video(path: Path, character: Character, poses: list[Pose]) -> None:
    height, width = poses[0].canvas
    with VideoWriter(path, Fraction(FPS), (height, width)) as writer:
        for frame in character.frames(poses):
            writer.write(frame)
