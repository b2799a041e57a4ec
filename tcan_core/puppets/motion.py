"""Motions: bone directions, foreshortening and neck path over time, independent of the body.

Angles are in radians: 0 points down, a quarter turn to the right of the image (the puppet faces
the viewer, so its left).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tcan_core.puppets.body import NUM_BONES

Curve = NDArray[np.float64]
FPS = 12

_SHOULDER_ANGLE = np.deg2rad(82)
_HIP_ANGLE = np.deg2rad(13)
_EYE_ANGLE = np.deg2rad(46)
_EAR_ANGLE = np.deg2rad(99)


@dataclass(frozen=True)
class Motion:
    """A motion of any body.

    Attributes:
        directions: (frames, 17) radians, one for each bone of `BONES`.
        foreshortening: (frames, 17) 0..1; 1 in the first frame.
        neck: (frames, 2) displacement since the first frame, in units of nose-neck.
    """

    directions: Curve
    foreshortening: Curve
    neck: Curve

    def __len__(self) -> int:
        return len(self.directions)


@dataclass
class _Joints:
    """Relative angles over time, (frames,) each; r and l are right and left of the puppet."""

    lean: Curve
    tilt: Curve
    yaw: Curve
    arm_r: Curve
    arm_l: Curve
    elbow_r: Curve
    elbow_l: Curve
    leg_r: Curve
    leg_l: Curve
    knee_r: Curve
    knee_l: Curve
    near_r: Curve
    near_l: Curve
    neck_x: Curve
    neck_y: Curve


def _wave(rng: np.random.Generator, time: Curve, low: float, high: float) -> Curve:
    """Return an oscillation of amplitude 1 with a random frequency (low..high, Hz) and phase."""
    frequency, phase = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * frequency * time + phase)


def _stance(rng: np.random.Generator, frames: int) -> _Joints:
    """Return a random stance without motion."""

    def hold(low: float, high: float) -> Curve:
        return np.full(frames, rng.uniform(low, high))

    return _Joints(
        lean=hold(-0.1, 0.1), tilt=hold(-0.15, 0.15), yaw=hold(-0.3, 0.3),
        arm_r=hold(-1.4, -0.15), arm_l=hold(0.15, 1.4),
        elbow_r=hold(-0.9, 0.9), elbow_l=hold(-0.9, 0.9),
        leg_r=hold(-0.35, 0.0), leg_l=hold(0.0, 0.35),
        knee_r=hold(-0.1, 0.3), knee_l=hold(-0.3, 0.1),
        near_r=np.ones(frames), near_l=np.ones(frames),
        neck_x=np.zeros(frames), neck_y=np.zeros(frames),
    )  # fmt: skip


def _greet(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Wave with one raised hand, or both."""
    swing = 0.5 * _wave(rng, time, 0.6, 1.2)
    which = rng.integers(3)
    if which != 1:
        joints.arm_r = -rng.uniform(1.7, 2.6) + 0.3 * swing
        joints.elbow_r = -rng.uniform(0.2, 0.9) + swing
    if which != 0:
        joints.arm_l = rng.uniform(1.7, 2.6) + 0.3 * swing
        joints.elbow_l = rng.uniform(0.2, 0.9) + swing


def _walk(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Walk in place: alternate legs, opposite arms, knees towards the viewer."""
    step = _wave(rng, time, 0.5, 0.9)
    stride = rng.uniform(0.25, 0.5)
    joints.leg_r, joints.leg_l = -0.08 + stride * step, 0.08 - stride * step
    joints.knee_r = joints.knee_r * 0.3 - 0.5 * np.maximum(step, 0)
    joints.knee_l = joints.knee_l * 0.3 + 0.5 * np.maximum(-step, 0)
    joints.arm_r, joints.arm_l = -0.3 - 0.5 * step, 0.3 + 0.5 * step
    joints.neck_y = 0.12 * (np.abs(step) - abs(step[0]))


def _dance(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Swing arms, hips and head at different frequencies."""
    joints.arm_r = -rng.uniform(0.7, 1.7) + 0.8 * _wave(rng, time, 0.3, 0.9)
    joints.arm_l = rng.uniform(0.7, 1.7) + 0.8 * _wave(rng, time, 0.3, 0.9)
    joints.elbow_r = 0.9 * _wave(rng, time, 0.3, 0.9)
    joints.elbow_l = 0.9 * _wave(rng, time, 0.3, 0.9)
    joints.lean = joints.lean + 0.18 * _wave(rng, time, 0.3, 0.8)
    joints.leg_r = joints.leg_r + 0.2 * _wave(rng, time, 0.3, 0.8)
    joints.leg_l = joints.leg_l + 0.2 * _wave(rng, time, 0.3, 0.8)


def _bend(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Lean from side to side with stretched arms."""
    lean = rng.uniform(0.25, 0.5) * _wave(rng, time, 0.25, 0.6)
    joints.lean = lean
    joints.arm_r, joints.arm_l = joints.arm_r - 0.6 + 0.3 * lean, joints.arm_l + 0.6 + 0.3 * lean
    joints.neck_x = 1.2 * (lean - lean[0])


def _squat(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Bend and stretch the knees."""
    depth = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(0.3, 0.7) * time)
    joints.leg_r, joints.leg_l = -0.15 - 0.6 * depth, 0.15 + 0.6 * depth
    joints.knee_r, joints.knee_l = 0.1 + 0.8 * depth, -0.1 - 0.8 * depth
    joints.neck_y = rng.uniform(0.3, 0.6) * depth


def _jacks(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Jumping jacks: arms and legs open and close together."""
    opening = 0.5 + 0.5 * _wave(rng, time, 0.5, 0.9)
    joints.arm_r, joints.arm_l = -0.3 - 2.2 * opening, 0.3 + 2.2 * opening
    joints.elbow_r, joints.elbow_l = -0.2 * opening, 0.2 * opening
    joints.leg_r, joints.leg_l = -0.05 - 0.45 * opening, 0.05 + 0.45 * opening
    joints.neck_y = -0.25 * (opening - opening[0])


def _reach(joints: _Joints, rng: np.random.Generator, time: Curve) -> None:
    """Fold one forearm across the chest while the other arm reaches up, alternately."""
    fold = _wave(rng, time, 0.3, 0.7)
    joints.arm_r, joints.elbow_r = -0.5 - 1.1 * np.maximum(-fold, 0), 1.9 * np.maximum(fold, 0)
    joints.arm_l, joints.elbow_l = 0.5 + 1.1 * np.maximum(fold, 0), -1.9 * np.maximum(-fold, 0)


MOTIONS: dict[str, Callable[[_Joints, np.random.Generator, Curve], None]] = {
    "greet": _greet, "walk": _walk, "dance": _dance, "bend": _bend,
    "squat": _squat, "jacks": _jacks, "reach": _reach,
}  # fmt: skip


def sample_motion(rng: np.random.Generator, num_frames: int, name: str | None = None) -> Motion:
    """Sample a motion of `num_frames` frames at `FPS`; `name` selects one of `MOTIONS`."""
    time = np.arange(num_frames) / FPS
    joints = _stance(rng, num_frames)
    MOTIONS[name or str(rng.choice(list(MOTIONS)))](joints, rng, time)
    joints.tilt = joints.tilt + 0.12 * _wave(rng, time, 0.2, 0.6)
    joints.yaw = joints.yaw + 0.3 * _wave(rng, time, 0.2, 0.5)
    joints.neck_x = joints.neck_x + 0.25 * (lambda sway: sway - sway[0])(
        _wave(rng, time, 0.15, 0.5)
    )
    for side in ("near_r", "near_l"):  # a forearm that swings towards the viewer looks shorter
        if rng.uniform() < 0.4:
            setattr(
                joints,
                side,
                1 - rng.uniform(0.1, 0.45) * np.sin(np.pi * rng.uniform(0.2, 0.5) * time) ** 2,
            )
    return _to_motion(joints, num_frames)


def sample_stance(rng: np.random.Generator) -> Motion:
    """Sample one frame without foreshortening, as pose of a source image."""
    moving = sample_motion(rng, 2)
    still = np.ones((1, NUM_BONES))
    return Motion(moving.directions[1:], still, np.zeros((1, 2)))


def _to_motion(joints: _Joints, num_frames: int) -> Motion:
    head = np.pi + joints.lean + joints.tilt
    arm_r, arm_l = 0.6 * joints.lean + joints.arm_r, 0.6 * joints.lean + joints.arm_l
    directions = np.stack([
        head,
        joints.lean - _SHOULDER_ANGLE, joints.lean + _SHOULDER_ANGLE,
        joints.lean - _HIP_ANGLE, joints.lean + _HIP_ANGLE,
        head + _EYE_ANGLE, head - _EYE_ANGLE,
        head + _EAR_ANGLE, head - _EAR_ANGLE,
        arm_r, arm_l,
        joints.leg_r, joints.leg_l,
        arm_r + joints.elbow_r, arm_l + joints.elbow_l,
        joints.leg_r + joints.knee_r, joints.leg_l + joints.knee_l,
    ], axis=1)  # fmt: skip
    foreshortening = np.ones((num_frames, NUM_BONES))
    turned = np.clip(joints.yaw - joints.yaw[0], -0.5, 0.5)
    foreshortening[:, 7] = 1 - np.maximum(turned, 0)
    foreshortening[:, 8] = 1 - np.maximum(-turned, 0)
    foreshortening[:, 13], foreshortening[:, 14] = joints.near_r, joints.near_l
    return Motion(directions, foreshortening, np.stack([joints.neck_x, joints.neck_y], axis=1))
