"""Conversion of the service's limits to those of `media`."""

from __future__ import annotations

from dataclasses import asdict

from media.limits import MediaLimits, PoseFileLimits
from service.input_limits import InputLimits

LIMITS = InputLimits()


def test_shared_defaults_have_one_source() -> None:
    shared = {"min_side": LIMITS.min_side, "max_duration_s": LIMITS.max_duration_s}
    shared["max_aspect"] = LIMITS.max_image_aspect
    assert shared.items() <= asdict(MediaLimits()).items()


def test_limits_on_either_file_allow_images_and_videos() -> None:
    either, image, video = LIMITS.image_or_video(), LIMITS.image(), LIMITS.video()
    assert either.max_bytes == max(image.max_bytes, video.max_bytes)
    assert either.max_pixels == max(image.max_pixels, video.max_pixels)
    for name in ("max_frames", "max_duration_s", "max_video_pixels", "min_side"):
        assert getattr(either, name) == getattr(video, name)
    assert either.max_aspect == image.max_aspect


def test_pose_file_limits_stay_within_those_of_the_reader() -> None:
    generous = InputLimits(max_frames=100_000).pose_file()
    assert generous.max_frames == PoseFileLimits.max_frames
    assert LIMITS.pose_file().max_frames == LIMITS.max_frames
    assert LIMITS.pose_file().max_bytes == LIMITS.max_pose_bytes < PoseFileLimits.max_bytes
