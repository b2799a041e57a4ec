from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tcan_core.conditioning.pose_file import write_pose_file
from tcan_core.media.image import write_png
from tcan_core.media.video import VideoWriter
from tcan_core.puppets.world import Scene, sample_scene

FPS = 12
SIZE = 32
NUM_FRAMES = 5


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of real puppets, as `tcan puppets render` writes them."""
    root = tmp_path_factory.mktemp("pairs")
    for index, proportions in enumerate(["any", "any", "crossed"]):
        scene = sample_scene(1_000_000 + index, NUM_FRAMES, SIZE, proportions)
        _write_pair(scene, root / f"{index:04d}")
    return root


def _write_pair(scene: Scene, folder: Path) -> None:
    for name in ("target", "target_mask"):
        (folder / name).mkdir(parents=True)
    drawn = [scene.source.draw(pose) for pose in scene.source.poses(scene.motion)]
    for index, (frame, coverage) in enumerate(drawn):
        write_png(folder / "target" / f"{index:05d}.png", frame)
        mask = np.where(coverage > 0, 255, 0).astype(np.uint8)
        write_png(folder / "target_mask" / f"{index:05d}.png", mask)
    write_png(folder / "source.png", scene.source.draw(scene.source_pose)[0])
    write_pose_file(folder / "source_pose.json", [[scene.source_pose]], None)
    driving_poses = scene.driver.poses(scene.motion)
    write_pose_file(folder / "driving_pose.json", [[pose] for pose in driving_poses], FPS)
    _write_video(folder / "driving.mp4", list(scene.driver.frames(driving_poses)))


def _write_video(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    with VideoWriter(path, FPS, (SIZE, SIZE)) as writer:
        for frame in frames:
            writer.write(frame)
