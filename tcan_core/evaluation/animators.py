"""How a pipeline animates the pairs of an evaluation."""

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
    """What `tcan_core.pipelines.animate.AnimatePipeline` is, as far as an evaluation needs it."""

    def __call__(
        self,
        image: Frames,
        poses: Sequence[Pose],
        *,
        source_pose: Pose | None,
        seed: int,
        **settings: Any,
    ) -> Frames:
        """Animate a picture, (h, w, 3), with poses; returns (f, h, w, 3)."""
        ...


class Prepared(Protocol):
    """What the main job makes of its input files."""

    @property
    def image(self) -> Frames:
        """(h, w, 3)."""
        ...

    @property
    def source_pose(self) -> Pose | None:
        """Of the picture."""
        ...

    @property
    def poses(self) -> Sequence[Pose]:
        """Of the driver, cleaned, one per frame."""
        ...


@dataclass(frozen=True)
class PipelineAnimator:
    """Animates with true poses or, as the main job does, with what is detected in the pictures.

    Attributes:
        pipeline: called for every pair.
        prepare: from the paths of picture and driving video to what the pipeline takes.
        settings: the pipeline's keyword arguments, such as `ptm_tau=0` or `retarget=False`.
        errors: put into the driver's true poses; the source's pose stays as it is.
        cleaning: of the driver's true poses after that; None leaves them as they are.
    """

    pipeline: Pipeline
    prepare: Callable[[Path, Path], Prepared]
    settings: Mapping[str, Any] = field(default_factory=dict)
    errors: PoseErrors = field(default_factory=PoseErrors)
    cleaning: CleaningSettings | None = None

    def __call__(self, pair: Pair, driving: Driving, seed: int) -> Frames:
        """Animate one pair, see `Animator`; returns (f, h, w, 3)."""
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
