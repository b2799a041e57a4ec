"""Poses placed in an image and drawn in the model's size; needs a preset's sizes, no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.detectors import build_detector
from tcan_core.conditioning.pose_maps import DrawnPoseMaps
from tcan_core.conditioning.retarget import retarget as retarget_poses
from tcan_core.conditioning.root_motion import RootMotion
from tcan_core.errors import NoPersonError, ParameterError
from tcan_core.models.weights.builders import build_codec_on_meta
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.fitting import Fit, fit_to, move_to_canvas


@dataclass(frozen=True)
class PoseDrawer:
    """Places poses in an image, and draws them in the size of a preset's model.

    Attributes:
        factor: image pixels per latent along each side.
    """

    preset: Preset
    factor: int

    @classmethod
    def from_preset(cls, preset: Preset) -> PoseDrawer:
        """Return the drawer of a preset; its weights may be absent."""
        return cls(preset, build_codec_on_meta(preset).factor)

    def fit(self, image: NDArray[np.uint8]) -> Fit:
        """Return how an image (height, width, 3) is brought to the model's size."""
        return fit_to(
            (image.shape[0], image.shape[1]), self.preset.resolution, self.factor, self.preset.fit
        )

    def place(
        self,
        image: NDArray[np.uint8],
        poses: Sequence[Pose],
        source_pose: Pose | None,
        *,
        retarget: bool,
        root_motion: RootMotion = "bounded",
    ) -> list[Pose]:
        """Return the driving poses in the image's canvas: retargeted, or only scaled.

        Args:
            image: (height, width, 3) uint8 RGB, the character.
            poses: one driving pose per frame, in the driving video's canvas.
            source_pose: pose of the character in the image; detected if it is needed and None.
            retarget: whether poses are adapted to the character's limb lengths.
            root_motion: how the retargeted figure moves in its picture, see `retarget`.

        Raises:
            ParameterError: there are no poses.
            NoPersonError: no person was found in the image, or no pose has a joint.
        """
        if not poses:
            raise ParameterError("there are no poses: a driving video needs at least one frame")
        if not retarget:
            return move_to_canvas(list(poses), (image.shape[0], image.shape[1]))
        if source_pose is None:
            source_pose = build_detector(self.preset.detector).detect_one(image)
        if not source_pose.detected.any():
            raise NoPersonError(
                "no person was found in the image; give its pose, or switch retargeting off"
            )
        return retarget_poses(source_pose, poses, root_motion)

    def draw(self, placed: Sequence[Pose], fit: Fit) -> DrawnPoseMaps:
        """Return the pose maps of poses in the image's canvas, in the model's size."""
        return DrawnPoseMaps([fit.pose(pose) for pose in placed], self.preset.skeleton)

    def pose_maps(
        self,
        image: NDArray[np.uint8],
        poses: Sequence[Pose],
        source_pose: Pose | None,
        *,
        retarget: bool,
        root_motion: RootMotion = "bounded",
    ) -> DrawnPoseMaps:
        """Fit the image, place the poses in it and draw them; arguments as for `place`."""
        placed = self.place(image, poses, source_pose, retarget=retarget, root_motion=root_motion)
        return self.draw(placed, self.fit(image))
