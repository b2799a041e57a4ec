"""Adapters that run an animation pipeline on the pairs of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from media.poses.keypoints import Pose
from tcan_core.conditioning.cleaning.clean import clean_poses
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.evaluation.evaluate import Driving
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import Pair
from tcan_core.evaluation.pose_errors import PoseErrors, with_errors
from tcan_core.pipelines.animate_files import PreparedInput


class Pipeline(Protocol):
    """The part of `tcan_core.pipelines.animate.AnimatePipeline` that an evaluation uses."""

    def __call__(
        self,
        image: Frames,
        poses: Sequence[Pose],
        *,
        source_pose: Pose | None,
        seed: int,
        **settings: Any,
    ) -> Frames:
        """Animate an image, (h, w, 3), with poses; return (f, h, w, 3)."""


@dataclass(frozen=True)
class PipelineAnimator:
    """An animator that uses true poses or, as the main job does, detected ones.

    Attributes:
        pipeline: the pipeline, called once per pair.
        prepare: reads a source image and a driving video and detects their poses.
        settings: keyword arguments for the pipeline, such as `ptm_tau=0` or `retarget=False`.
        errors: errors injected into the true driving poses; the source pose is left unchanged.
        cleaning: settings to clean the true driving poses after that; None skips cleaning.
    """

    pipeline: Pipeline
    prepare: Callable[[Path, Path], PreparedInput]
    settings: Mapping[str, Any] = field(default_factory=dict)
    errors: PoseErrors = field(default_factory=PoseErrors)
    cleaning: CleaningSettings | None = None

    def __call__(self, pair: Pair, driving: Driving, seed: int) -> Frames:
        """Animate one pair, see `Animator`; return (f, h, w, 3)."""
        if driving == "pose":
            source_pose: Pose | None = pair.source_pose()
            image, poses = pair.source(), self._driving_poses(pair, seed)
        else:
            prepared = self.prepare(pair.source_path, pair.driving_video_path)
            image, source_pose, poses = prepared.image, prepared.source_pose, prepared.poses
        return self.pipeline(image, poses, source_pose=source_pose, seed=seed, **self.settings)

    def _driving_poses(self, pair: Pair, seed: int) -> list[Pose]:
        poses = pair.driving_poses()
        if self.errors:
            poses = with_errors(poses, self.errors, seed)
        if self.cleaning is not None:
            poses = clean_poses([[pose] for pose in poses], self.cleaning).poses
        return poses
