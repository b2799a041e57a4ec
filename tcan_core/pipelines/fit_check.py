"""A check before rendering: how well driving poses fit the image that they will move."""

from __future__ import annotations

from collections.abc import Sequence

from media.poses.keypoints import Pose
from tcan_core.conditioning.alignment import align
from tcan_core.conditioning.limbs import limb_warnings
from tcan_core.conditioning.retarget import retarget as retarget_poses
from tcan_core.conditioning.root_motion import RootMotion, outside_warnings
from tcan_core.pipelines.fitting import move_to_canvas


def check_fit(
    source: Pose | None,
    driving: Sequence[Pose],
    canvas: tuple[int, int],
    *,
    retarget: bool,
    root_motion: RootMotion,
) -> tuple[list[str], dict[str, float] | None]:
    """Return warnings for the user, and the agreement of source and driving poses.

    Args:
        source: pose of the character, if it is known.
        driving: poses in the driving video's canvas.
        canvas: (height, width) of the image.
        retarget: whether the poses will be retargeted, which needs the source pose.
        root_motion: how the retargeted figure will move in its picture.

    Returns:
        Sentences, and the numbers of `Alignment.as_json`; None if a person is not known.
    """
    warnings: list[str] = []
    compared = placed = move_to_canvas(list(driving), canvas)
    if retarget and source is not None:
        warnings += limb_warnings(source)
        compared, placed = list(driving), retarget_poses(source, driving, root_motion)
    agreement = None if source is None else align(source, compared)
    if agreement is not None:
        warnings += agreement.warnings(retarget)
    warnings += outside_warnings(placed, driving, root_motion if retarget else None)
    return warnings, agreement.as_json() if agreement else None
