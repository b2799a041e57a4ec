"""Report of the cleaning of driving poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.poses.joints import Joint
from tcan_core.conditioning.bones import Bools

_OFTEN = 0.25  # of the frames
_JUMPY = 0.02  # of all joints in all frames


@dataclass(frozen=True)
class CleaningReport:
    """Numbers of frames; all values are JSON-serializable.

    Attributes:
        most_people: largest number of people in one frame.
        followed: the person that was followed, in words.
        frames_without_person: indices of frames in which no person was detected.
        frames_left_empty: indices of frames without a person after cleaning.
        missing: number of frames in which each joint was not detected.
        rejected: number of frames in which each joint was rejected.
        filled: number of frames in which each joint was filled.
        blinked: number of frames in which each joint was dropped because it was seen too briefly.
        left_missing: number of frames in which each joint is missing after cleaning.
    """

    frames: int
    most_people: int
    followed: str
    frames_without_person: list[int]
    frames_left_empty: list[int]
    missing: dict[str, int]
    rejected: dict[str, int]
    filled: dict[str, int]
    blinked: dict[str, int]
    left_missing: dict[str, int]

    def warnings(self) -> list[str]:
        """Return warnings for the user, one sentence each."""
        warnings = []
        if self.most_people > 1:
            warnings.append(
                f"up to {self.most_people} people were found in a frame;"
                f" {self.followed} was followed"
            )
        if self.frames_left_empty:
            count = len(self.frames_left_empty)
            warnings.append(f"no person was found in {count} of {self.frames} driving frames")
        empty = len(self.frames_left_empty)
        often = [
            joint.replace("_", " ")
            for joint, count in self.left_missing.items()
            if count - empty > _OFTEN * self.frames
        ]
        jumped = sum(self.rejected.values())
        if jumped > _JUMPY * 18 * self.frames:
            warnings.append(f"{jumped} joints jumped and were repaired; detection is unreliable")
        if often:
            warnings.append(
                f"detected in less than {1 - _OFTEN:.0%} of the frames: {', '.join(often)}"
            )
        return warnings


@dataclass(frozen=True)
class FrameRepair:
    """A frame in which joints were repaired, by their names.

    Attributes:
        rejected: joints that jumped.
        filled: joints that were missing or rejected, and are interpolated.
        dropped: joints that were seen too briefly and are left out.
    """

    frame: int
    rejected: list[str]
    filled: list[str]
    dropped: list[str]


def find_repairs(rejected: Bools, filled: Bools, dropped: Bools) -> list[FrameRepair]:
    """Return the frames with repairs; arguments are (frames, 18)."""
    return [
        FrameRepair(int(frame), *(_names(flags[frame]) for flags in (rejected, filled, dropped)))
        for frame in np.flatnonzero((rejected | filled | dropped).any(axis=1))
    ]


def _names(flags: Bools) -> list[str]:
    return [joint.name.lower() for joint in Joint if flags[joint]]
