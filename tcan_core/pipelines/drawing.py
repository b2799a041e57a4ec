"""From poses to the skeletons that steer a model; of the model it needs the sizes, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.detectors import build_detector
from tcan_core.conditioning.pose_maps import DrawnPoseMaps
from tcan_core.conditioning.retarget import retarget as retarget_poses
from tcan_core.errors import NoPersonError, ParameterError
from tcan_core.models.weights.builders import build_codec_on_meta
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.fitting import Fit, fit_to, move_to_canvas


@dataclass(frozen=True)
class PoseDrawer:
    """Brings poses into a picture, and draws them in the size of a preset's model.

    Attributes:
        factor: pixels per latent along each side, of the preset's codec.
    """

    preset: Preset
    factor: int

    @classmethod
    def of(cls, preset: Preset) -> PoseDrawer:
        """The drawer of a preset, whose weights need not be at hand."""
        return cls(preset, build_codec_on_meta(preset).factor)

    def fit(self, image: NDArray[np.uint8]) -> Fit:
        """How a picture (height, width, 3) becomes one of the model's size."""
        return fit_to((image.shape[0], image.shape[1]), self.preset.resolution, self.factor)

    def draw(
        self,
        image: NDArray[np.uint8],
        poses: Sequence[Pose],
        source_pose: Pose | None,
        *,
        retarget: bool,
    ) -> DrawnPoseMaps:
        """Return the skeletons that steer the model, in its size; arguments as for `place`."""
        fit = self.fit(image)
        placed = self.place(image, poses, source_pose, retarget=retarget)
        return DrawnPoseMaps([fit.pose(pose) for pose in placed])

    def place(
        self,
        image: NDArray[np.uint8],
        poses: Sequence[Pose],
        source_pose: Pose | None,
        *,
        retarget: bool,
    ) -> list[Pose]:
        """Bring the driver's poses into the image: retargeted, or only scaled to the canvas.

        Args:
            image: (height, width, 3) uint8 RGB, the character.
            poses: the driver's, one per frame, in the driver's canvas.
            source_pose: the character's pose in the image; detected where needed and not given.
            retarget: whether the driver's limbs take the source character's lengths.

        Raises:
            ParameterError: there are no poses.
            NoPersonError: nobody was found in the image, or no pose has a joint.
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
        return retarget_poses(source=source_pose, driving=poses)
