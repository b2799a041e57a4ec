"""What cleaning found and changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_OFTEN = 0.25  # of the frames
_JUMPY = 0.02  # of all joints in all frames


@dataclass(frozen=True)
class CleaningReport:
    """Counts of frames; everything in it is plain JSON.

    Attributes:
        frames: in the video.
        most_people: in one frame.
        followed: who was, in words.
        frames_without_person: in which nobody was detected, by index.
        frames_left_empty: in which nobody is after cleaning, by index.
        missing: by joint, frames in which the chosen person's joint was not detected.
        rejected: by joint, frames in which it had jumped.
        filled: by joint, frames in which it was filled in.
        left_missing: by joint, frames in which it is missing after cleaning.
    """

    frames: int
    most_people: int
    followed: str
    frames_without_person: list[int]
    frames_left_empty: list[int]
    missing: dict[str, int]
    rejected: dict[str, int]
    filled: dict[str, int]
    left_missing: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists and numbers."""
        return asdict(self)

    def warnings(self) -> list[str]:
        """Return what a user should know, one sentence each."""
        found = []
        if self.most_people > 1:
            found.append(
                f"up to {self.most_people} people were found in a frame;"
                f" {self.followed} was followed"
            )
        if self.frames_left_empty:
            count = len(self.frames_left_empty)
            found.append(f"nobody was found in {count} of {self.frames} driving frames")
        empty = len(self.frames_left_empty)
        often = [
            joint.replace("_", " ")
            for joint, count in self.left_missing.items()
            if count - empty > _OFTEN * self.frames
        ]
        jumped = sum(self.rejected.values())
        if jumped > _JUMPY * 18 * self.frames:
            found.append(f"{jumped} joints had jumped and were repaired; the detector is unsure")
        if often:
            found.append(f"seen in less than {1 - _OFTEN:.0%} of the frames: {', '.join(often)}")
        return found
