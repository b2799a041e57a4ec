"""Reading and writing of videos: the names that other packages import."""

from __future__ import annotations

from media.limits import MediaLimits
from media.video_reader import VideoInfo, VideoReader, probe_video, read_video
from media.video_writer import VideoWriter

__all__ = ["MediaLimits", "VideoInfo", "VideoReader", "VideoWriter", "probe_video", "read_video"]
