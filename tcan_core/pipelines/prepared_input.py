"""The input of a render, and its file between the stages of a job."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.limits import MediaLimits
from media.poses.keypoints import Pose
from media.poses.pose_file import pose_from_json, pose_to_json
from media.source import LocalMediaSource, MediaSource
from tcan_core.conditioning.pose_maps import PoseMaps, StoredPoseMaps, write_pose_maps

_POSES_MEMBER, _SOUND_MEMBER, _DRIVER_MEMBER = "prepared.json", "sound.mp4", "driver.mp4"
_OTHER_MEMBERS = {_POSES_MEMBER, _SOUND_MEMBER, _DRIVER_MEMBER}


@dataclass(frozen=True)
class PreparedInput:
    """The input of a render.

    Attributes:
        image: (height, width, 3) uint8 RGB, the character.
        source_pose: pose of the character in the image; None if it is not needed.
        poses: driving poses, cleaned, in the driving video's canvas; none if it is a video of maps.
        fps: frame rate of the driving video and of the result.
        warnings: sentences for the user.
        seconds: time of each stage so far.
        quality: plain JSON: what cleaning found, and how well source and driving poses agree.
        pose_maps: the drawn poses, if they exist already, or the driving maps.
        sound: an mp4 file with the sound of the result, if it has any.
        driver: an mp4 file with a small copy of the driving video, for a review.
    """

    image: NDArray[np.uint8]
    source_pose: Pose | None
    poses: list[Pose]
    fps: Fraction
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    pose_maps: PoseMaps | None = None
    sound: bytes | None = None
    driver: bytes | None = None

    @property
    def num_frames(self) -> int:
        """Frames of the driving video."""
        return len(self.poses or self.pose_maps or ())

    def save(self, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Write all but the image into a zip: `prepared.json`, drawn poses as PNGs, and videos.

        Args:
            path: ends in `.zip`.
            progress: called with the number of drawn frames, and of all; may raise.
        """
        content = {
            "source_pose": self.source_pose and pose_to_json(self.source_pose),
            "poses": [pose_to_json(pose) for pose in self.poses],
            "fps": str(self.fps),
            "warnings": self.warnings,
            "seconds": self.seconds,
            "quality": self.quality,
        }
        if self.pose_maps is not None:
            write_pose_maps(path, self.pose_maps, progress)
        with zipfile.ZipFile(path, "w" if self.pose_maps is None else "a") as archive:
            archive.writestr(_POSES_MEMBER, json.dumps(content), zipfile.ZIP_DEFLATED)
            for name, video in ((_SOUND_MEMBER, self.sound), (_DRIVER_MEMBER, self.driver)):
                if video is not None:
                    archive.writestr(name, video)

    @classmethod
    def load(
        cls,
        path: Path,
        image_path: Path,
        limits: MediaLimits | None = None,
        media: MediaSource | None = None,
    ) -> PreparedInput:
        """Read the zip of `save`, drawn poses on demand, and the image from its own file."""
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(_POSES_MEMBER))
            members = set(archive.namelist())
            sound, driver = (
                archive.read(name) if name in members else None
                for name in (_SOUND_MEMBER, _DRIVER_MEMBER)
            )
        source_pose = content["source_pose"]
        return cls(
            image=(media or LocalMediaSource()).image(image_path, limits),
            source_pose=None if source_pose is None else pose_from_json(source_pose),
            poses=[pose_from_json(pose) for pose in content["poses"]],
            fps=Fraction(content["fps"]),
            warnings=content["warnings"],
            seconds=content["seconds"],
            quality=content["quality"],
            pose_maps=StoredPoseMaps(path) if members - _OTHER_MEMBERS else None,
            sound=sound,
            driver=driver,
        )
