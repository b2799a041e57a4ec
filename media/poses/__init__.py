"""Poses and pose files: the JSON that OpenPose editors exchange."""
