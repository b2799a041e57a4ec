"""Adapters that run an animation pipeline on the pairs of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from media.poses.keypoints import Pose
from tcan_core.conditioning.cleaning import CleaningSettings, clean_poses
from tcan_core.evaluation.evaluate import Driving
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import Pair
from tcan_core.evaluation.pose_errors import PoseErrors, with_errors


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


class PreparedInputs(Protocol):
    """Input files after decoding, pose detection and cleaning."""

    @property
    def image(self) -> Frames:
        """The source image, (h, w, 3)."""

    @property
    def source_pose(self) -> Pose | None:
        """The pose of the person in the image."""

    @property
    def poses(self) -> Sequence[Pose]:
        """The cleaned driving poses, one per frame."""


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
    prepare: Callable[[Path, Path], PreparedInputs]
    settings: Mapping[str, Any] = field(default_factory=dict)
    errors: PoseErrors = field(default_factory=PoseErrors)
    cleaning: CleaningSettings | None = None

    def __call__(self, pair: Pair, driving: Driving, seed: int) -> Frames:
        """Animate one pair, see `Animator`; return (f, h, w, 3)."""
        prepared = (
            _TruePoses(pair.source(), pair.source_pose(), self._driving_poses(pair, seed))
            if driving == "pose"
            else self.prepare(pair.source_path, pair.driving_video_path)
        )
        return self.pipeline(
            prepared.image,
            prepared.poses,
            source_pose=prepared.source_pose,
            seed=seed,
            **self.settings,
        )

    def _driving_poses(self, pair: Pair, seed: int) -> Sequence[Pose]:
        poses = pair.driving_poses()
        if self.errors:
            poses = with_errors(poses, self.errors, seed)
        if self.cleaning is not None:
            poses = clean_poses([[pose] for pose in poses], self.cleaning).poses
        return poses


@dataclass(frozen=True)
class _TruePoses:
    image: Frames
    source_pose: Pose | None
    poses: Sequence[Pose]
