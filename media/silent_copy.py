"""Copies of videos without their sound."""

from __future__ import annotations

from pathlib import Path

import av

from media.atomic_write import atomic_write
from media.container import frame_packets, map_ffmpeg_errors
from media.video_writer import MP4, UNWRITABLE


def copy_without_sound(source: Path, target: Path) -> None:
    """Copy the pictures of an mp4 file to another one; no frame is decoded or encoded.

    Args:
        source: a file of this service, which is not checked as files of callers are.
        target: the mp4 file, which appears when it is complete.

    Raises:
        MediaError: a file cannot be read or written.
    """
    with (
        map_ffmpeg_errors(target.name, UNWRITABLE),
        atomic_write(target) as temporary,
        av.open(str(source)) as container,
        av.open(str(temporary), "w", format=MP4.name, options=MP4.options) as output,
    ):
        pictures = container.streams.video[0]
        copied = output.add_stream_from_template(pictures)
        for packet in frame_packets(container, pictures):
            packet.stream = copied
            output.mux(packet)
