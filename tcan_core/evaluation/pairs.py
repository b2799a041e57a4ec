"""Pairs with ground truth, in the layout that `tcan puppets render` writes.

DIR/NNNN/source.png              the source character
DIR/NNNN/source_pose.json        the pose of the source character
DIR/NNNN/driving.mp4             another character doing the motion
DIR/NNNN/driving_pose.json       the poses of the driving character
DIR/NNNN/target/00000.png        ground truth: the source character doing the motion
DIR/NNNN/target_mask/00000.png   255 on the character, 0 on the background (optional)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from media.image import read_image
from media.poses.joints import Joint
from media.poses.keypoints import Pose, no_pose
from media.poses.pose_file import read_pose_file
from tcan_core.errors import MediaError
from tcan_core.evaluation.metrics import Frames, Mask

REQUIRED = ("source.png", "source_pose.json", "driving.mp4", "driving_pose.json")
STILL_LEVELS = 12  # of 255; without masks, a pixel that changes by at most this is background

# The limbs from neck to ankles, which make up the length of the body below the head.
_BODY = (
    (Joint.NECK, Joint.RIGHT_HIP),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    (Joint.NECK, Joint.LEFT_HIP),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
)


@dataclass(frozen=True)
class Pair:
    """One pair; its files are read on demand.

    Shapes: f frames, h height, w width
    """

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def source_path(self) -> Path:
        """The image of the character."""
        return self.folder / "source.png"

    @property
    def driving_video_path(self) -> Path:
        """The driving video."""
        return self.folder / "driving.mp4"

    def source(self) -> Frames:
        """Read the image of the character, (h, w, 3)."""
        return read_image(self.source_path)

    def source_pose(self) -> Pose:
        """Read the true pose of the character in its image."""
        return _read_poses(self.folder / "source_pose.json")[0]

    def driving_poses(self) -> list[Pose]:
        """Read the true driving poses, one per frame."""
        return _read_poses(self.folder / "driving_pose.json")

    def truth(self) -> Frames:
        """Read the ground truth frames, (f, h, w, 3)."""
        return _read_frames(self.folder / "target")

    def still_background(self) -> Mask:
        """Return the mask of pixels that are background in every frame of the truth, (h, w).

        Without mask files, these are the pixels that hardly change over time in the truth.
        """
        masks = self.folder / "target_mask"
        if masks.is_dir():
            return np.asarray((_read_frames(masks) < 128).all(axis=(0, 3)))
        truth = self.truth()
        spread = truth.max(axis=0).astype(np.int16) - truth.min(axis=0)
        return np.asarray((spread <= STILL_LEVELS).all(axis=-1))

    def proportion_gap(self) -> float:
        """Return how much the proportions of the two bodies differ.

        This is the absolute difference of the logarithms of the ratio of body length below the
        neck to nose-neck length: 0 is equal, 0.7 is a factor of two. It is `nan` if a joint that
        it needs is never detected.
        """
        source = _proportion([self.source_pose()])
        driving = _proportion(self.driving_poses())
        return abs(math.log(source / driving))


def read_pairs(pairs_dir: Path, limit: int | None = None) -> list[Pair]:
    """List the pairs of a folder, sorted by name.

    Args:
        pairs_dir: folder with one subfolder per pair.
        limit: maximum number of pairs, from the first; None for all.

    Raises:
        MediaError: there is no pair, or a file of a pair is missing.
    """
    if not pairs_dir.is_dir():
        raise MediaError(f"{pairs_dir}: no such folder")
    folders = sorted(path.parent for path in pairs_dir.glob("*/source.png"))[:limit]
    if not folders:
        raise MediaError(f"{pairs_dir}: no pairs; expected folders with {', '.join(REQUIRED)}")
    for folder in folders:
        missing = [name for name in REQUIRED if not (folder / name).is_file()]
        missing += [] if any((folder / "target").glob("*.png")) else ["target/00000.png"]
        if missing:
            raise MediaError(f"{folder}: missing files: {', '.join(missing)}")
    return [Pair(folder) for folder in folders]


def _read_frames(folder: Path) -> Frames:
    return np.stack([read_image(path) for path in sorted(folder.glob("*.png"))])


def _read_poses(path: Path) -> list[Pose]:
    file = read_pose_file(path)
    return [people[0] if people else no_pose(file.canvas) for people in file.frames]


def _proportion(poses: Sequence[Pose]) -> float:
    """Return body length below the neck over nose-neck length.

    Each length is the longest over the frames, which is the least foreshortened.
    """
    below = sum(_longest(poses, first, second) for first, second in _BODY) / 2
    return below / _longest(poses, Joint.NECK, Joint.NOSE)


def _longest(poses: Sequence[Pose], first: Joint, second: Joint) -> float:
    lengths = [
        float(np.linalg.norm(pose.keypoints[first] - pose.keypoints[second]))
        for pose in poses
        if pose.detected[first] and pose.detected[second]
    ]
    return max(lengths, default=math.nan) or math.nan
