"""Copies without sound have the same pictures at the same times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.errors import MediaError
from media.silent_copy import copy_without_sound
from media.video_reader import VideoReader
from media.video_writer import VideoWriter
from tests.media.make_media import make_video, steps


def packets(file: Path) -> list[tuple[int | None, int | None, bytes]]:
    """Return times and content of the stored pictures."""
    with av.open(str(file)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(video=0) if p.size]


def test_copy_has_the_pictures_of_the_source_and_no_sound(tmp_path: Path) -> None:
    frames, fps = steps(24), Fraction(30000, 1001)
    heard = make_video(tmp_path / "heard.mp4", frames, fps=fps, audio="aac")
    result, copy = tmp_path / "result.mp4", tmp_path / "silent.mp4"
    with VideoWriter(result, fps, frames[0].shape[:2], audio_from=heard) as writer:
        for frame in frames:
            writer.write(frame)
    copy_without_sound(result, copy)
    source, silent = VideoReader(result), VideoReader(copy)
    assert (source.info.has_audio, silent.info.has_audio) == (True, False)
    assert silent.info.fps == source.info.fps
    assert packets(copy) == packets(result)
    assert np.array_equal(np.stack(list(silent)), np.stack(list(source)))
    content = copy.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_nothing_is_left_of_a_failed_copy(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"silent\.mp4: the video cannot be written"):
        copy_without_sound(tmp_path / "missing.mp4", tmp_path / "silent.mp4")
    assert list(tmp_path.iterdir()) == []
