"""Clean the poses of a driving video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.bones import Bools, Floats, stack_points
from tcan_core.conditioning.cleaning.gaps import carry_ends, fill_gaps, find_blinks
from tcan_core.conditioning.cleaning.jumps import find_jumps
from tcan_core.conditioning.cleaning.person import choose_person
from tcan_core.conditioning.cleaning.report import CleaningReport, FrameRepair, find_repairs
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.cleaning.smoothing import smooth
from tcan_core.errors import NoPersonError

DEFAULT_FPS = 25.0


@dataclass(frozen=True)
class CleanedPoses:
    """One person's poses, one for each frame, and what was done to them.

    Attributes:
        confidence: mean confidence of the joints in each frame before repairs, 0..1.
        repairs: what was done to single frames.
    """

    poses: list[Pose]
    report: CleaningReport
    confidence: list[float]
    repairs: list[FrameRepair]


def clean_poses(
    frames: Sequence[Sequence[Pose]],
    settings: CleaningSettings | None = None,
    fps: float = DEFAULT_FPS,
) -> CleanedPoses:
    """Choose one person, reject joints that jump, fill short gaps, drop blinks, and smooth.

    Hands and face move with their wrist or the nose, and are dropped when that was rejected.

    Args:
        frames: the people of each frame, all on one canvas.
        fps: frames per second.

    Returns:
        One pose per frame, without joints if the person is not in the frame.

    Raises:
        NoPersonError: no frame has a person.
    """
    settings = settings or CleaningSettings()
    sure = sure_people(frames, settings)
    has_person = [any(pose.detected.any() for pose in people) for people in sure]
    if not any(has_person):
        raise NoPersonError(f"no person was found in any of the {len(frames)} driving frames")
    chosen = (
        choose_person(sure, settings.person, fps) if settings.choose_person else _first_people(sure)
    )
    canvas = next(pose.canvas for people in sure for pose in people)
    poses = [pose or no_pose(canvas) for pose in chosen]
    points, confidence = stack_points(poses), np.stack([pose.confidence for pose in poses])
    missing, certainty = np.isnan(points[..., 0]), confidence.mean(axis=1)
    rejected, filled, blinked = _repair(points, confidence, settings, fps)
    gone = rejected | blinked
    cleaned = [
        replace_body(pose, points[index], confidence[index], gone[index])
        for index, pose in enumerate(poses)
    ]
    report = CleaningReport(
        frames=len(frames),
        most_people=max(sum(bool(pose.detected.any()) for pose in people) for people in sure),
        followed=_followed(settings),
        frames_without_person=[index for index, anyone in enumerate(has_person) if not anyone],
        frames_left_empty=[i for i, pose in enumerate(cleaned) if not pose.detected.any()],
        missing=_by_joint(missing),
        rejected=_by_joint(rejected),
        filled=_by_joint(filled & ~blinked),
        blinked=_by_joint(blinked),
        left_missing=_by_joint(np.isnan(points[..., 0])),
    )
    repairs = find_repairs(rejected, filled & ~blinked, blinked)
    return CleanedPoses(cleaned, report, [float(value) for value in certainty], repairs)


def sure_people(frames: Sequence[Sequence[Pose]], settings: CleaningSettings) -> list[list[Pose]]:
    """Return the people of each frame without joints of too little confidence."""
    return [[_sure_joints(pose, settings.min_confidence) for pose in people] for people in frames]


def _followed(settings: CleaningSettings) -> str:
    if not settings.choose_person:
        return "the first one of each frame"
    person = settings.person
    if person is None:
        return "the main one"
    if isinstance(person, tuple):
        return f"the one nearest to {person[0]:g},{person[1]:g}"
    return f"number {person} from the left"


def _repair(
    points: Floats, confidence: Floats, settings: CleaningSettings, fps: float
) -> tuple[Bools, Bools, Bools]:
    """Repair points (frames, 18, 2) and confidence (frames, 18) in place.

    Returns:
        (frames, 18) each: where a joint was rejected, filled, and dropped because it blinks.
    """
    rejected = filled = np.zeros(confidence.shape, dtype=np.bool_)
    if settings.reject_jumps:
        rejected = find_jumps(points, settings.max_speed, fps)
        points[rejected], confidence[rejected] = np.nan, 0.0
    if settings.fill_gaps:
        filled = fill_gaps(points, confidence, settings.max_gap(fps))
        filled |= carry_ends(points, confidence, round(settings.max_carried_s * fps))
    blinked = find_blinks(points, round(settings.min_shown_s * fps))
    points[blinked], confidence[blinked] = np.nan, 0.0
    if settings.smooth:
        points[:] = smooth(points, settings.smooth_window(fps), settings.smooth_order)
    return rejected, filled, blinked


def _sure_joints(pose: Pose, min_confidence: float) -> Pose:
    unsure = pose.confidence < min_confidence
    return replace(pose, confidence=np.where(unsure, 0.0, pose.confidence))


def _first_people(frames: Sequence[Sequence[Pose]]) -> list[Pose | None]:
    return [people[0] if people else None for people in frames]


def _by_joint(flags: Bools) -> dict[str, int]:
    """Return the number of flagged frames by joint name, without zeros."""
    counts = flags.sum(axis=0)
    return {joint.name.lower(): int(counts[joint]) for joint in Joint if counts[joint]}


def replace_body(pose: Pose, points: Floats, confidence: Floats, gone: Bools) -> Pose:
    """Return a pose with other body joints, with which hands and face move.

    Args:
        points: (18, 2) pixels; NaN where a joint is not detected.
        confidence: (18,), 0..1.
        gone: (18,), True where a joint was rejected; the hand of such a wrist is dropped, and with
            the nose the face.
    """
    return Pose(
        keypoints=np.nan_to_num(points),
        confidence=confidence,
        canvas=pose.canvas,
        hand_left=_carry(pose.hand_left, pose, points, gone, Joint.LEFT_WRIST),
        hand_right=_carry(pose.hand_right, pose, points, gone, Joint.RIGHT_WRIST),
        face=_carry(pose.face, pose, points, gone, Joint.NOSE),
    )


def _carry(
    part: NDArray[np.float64] | None, pose: Pose, points: Floats, gone: Bools, joint: Joint
) -> NDArray[np.float64] | None:
    """Move hand or face points, (n, 3), by the same offset as their joint."""
    if part is None or gone[joint]:
        return None
    if not pose.detected[joint]:
        return part
    moved = part.copy()
    moved[:, :2] += points[joint] - pose.keypoints[joint]
    return moved
