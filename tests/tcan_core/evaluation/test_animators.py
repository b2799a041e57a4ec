from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from media.poses.keypoints import Pose, no_pose
from tcan_core.evaluation.animators import PipelineAnimator
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import read_pairs
from tcan_core.pipelines.animate_files import DEFAULT_FPS, PreparedInput


@dataclass
class RepeatingPipeline:
    """A pipeline that repeats the image for every pose and records its arguments."""

    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        image: Frames,
        poses: Sequence[Pose],
        *,
        source_pose: Pose | None,
        seed: int,
        **settings: Any,
    ) -> Frames:
        self.calls.append({"poses": poses, "source_pose": source_pose, "seed": seed} | settings)
        return np.repeat(image[None], len(poses), axis=0)


def detect(image_path: Path, driving_path: Path) -> PreparedInput:
    """Return inputs in which no person was detected."""
    assert (image_path.name, driving_path.name) == ("source.png", "driving.mp4")
    image, nobody = np.zeros((32, 32, 3), np.uint8), no_pose((32, 32))
    return PreparedInput(image, nobody, 3 * [nobody], DEFAULT_FPS)


def test_pose_driving_uses_the_true_poses(pairs_dir: Path) -> None:
    [pair] = read_pairs(pairs_dir, limit=1)
    pipeline = RepeatingPipeline()
    animate = PipelineAnimator(pipeline, detect, {"ptm_tau": 0.0, "retarget": False})

    result = animate(pair, "pose", seed=5)

    np.testing.assert_array_equal(result, np.repeat(pair.source()[None], 5, axis=0))
    [call] = pipeline.calls
    assert (call["seed"], call["ptm_tau"], call["retarget"]) == (5, 0.0, False)
    assert [pose.keypoints.tolist() for pose in call["poses"]] == [
        pose.keypoints.tolist() for pose in pair.driving_poses()
    ]
    assert call["source_pose"].keypoints.tolist() == pair.source_pose().keypoints.tolist()


def test_video_driving_uses_detected_poses(pairs_dir: Path) -> None:
    [pair] = read_pairs(pairs_dir, limit=1)
    pipeline = RepeatingPipeline()

    result = PipelineAnimator(pipeline, detect)(pair, "video", seed=0)

    assert result.shape == (3, 32, 32, 3)
    [call] = pipeline.calls
    assert not any(pose.detected.any() for pose in [call["source_pose"], *call["poses"]])
