"""Keypoints of people, under the name by which callers of `tcan_core` import them."""

from media.poses.keypoints import Pose as Pose
