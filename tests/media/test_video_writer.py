"""Videos are written as H.264 at a given rate, atomically."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from media.audio import extract_sound
from media.video_reader import VideoReader
from media.video_writer import VideoWriter
from tcan_core.errors import MediaError, ParameterError
from tests.media.make_media import flag, grey_levels, make_audio, make_video, steps


@pytest.mark.parametrize(
    "fps", [Fraction(25), Fraction(30000, 1001), Fraction(25, 2), Fraction(60)]
)
def test_output_is_h264_at_the_given_rate(tmp_path: Path, fps: Fraction) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, fps, (48, 64)) as writer:
        for frame in steps(20):
            writer.write(frame)

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.codec_context.pix_fmt, stream.frames) == ("yuv420p", 20)
        assert (stream.height, stream.width, stream.average_rate) == (48, 64, fps)
        assert stream.start_time == 0
    reader = VideoReader(path)
    assert reader.fps == fps
    assert grey_levels(list(reader)) == list(range(1, 21))


def test_index_is_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25, (48, 64)) as writer:
        for frame in steps(20):
            writer.write(frame)

    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_colours_are_preserved(tmp_path: Path) -> None:
    picture = np.empty((64, 64, 3), np.uint8)
    picture[:32], picture[32:] = (220, 40, 60), (30, 90, 200)
    with VideoWriter(tmp_path / "a.mp4", 25, (64, 64), crf=4) as writer:
        writer.write(picture)

    (read,) = VideoReader(tmp_path / "a.mp4")
    off = np.abs(read.astype(int) - picture)
    assert off[8:24].max() <= 3 and off[40:56].max() <= 3


def test_odd_side_keeps_every_pixel(tmp_path: Path) -> None:
    picture = flag(45, 63)
    with VideoWriter(tmp_path / "a.mp4", 25, (45, 63), crf=1) as writer:
        writer.write(picture)
    assert writer.stored_size == (46, 64)

    (read,) = VideoReader(tmp_path / "a.mp4")
    assert read.shape == (46, 64, 3)
    assert np.abs(read[:20, :28].astype(int) - picture[:20, :28]).max() <= 4
    assert np.abs(read[45].astype(int) - read[44]).max() <= 4


def test_audio_is_copied_bit_by_bit(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", steps(20), audio="aac")
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=source) as writer:
        for frame in steps(20):
            writer.write(frame)

    copied, original = _audio_packets(tmp_path / "a.mp4"), _audio_packets(source)
    assert copied == original[: len(copied)]
    assert len(copied) >= len(original) - 2
    assert len(list(VideoReader(tmp_path / "a.mp4"))) == 20


def test_audio_ends_with_the_pictures(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", steps(20), audio="aac")
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=source) as writer:
        for frame in steps(5):
            writer.write(frame)

    with av.open(str(tmp_path / "a.mp4")) as container:
        audio = container.streams.audio[0]
        assert _seconds(audio) == pytest.approx(0.2, abs=0.05)


def test_audio_begins_where_it_is_told_to(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", steps(20), audio="aac")
    target, sound = tmp_path / "a.mp4", tmp_path / "sound.mp4"
    sound.write_bytes(extract_sound(source, pytest.fail, start_s=0.4) or b"")
    with VideoWriter(target, 25, (48, 64), audio_from=sound) as writer:
        for frame in steps(10):
            writer.write(frame)
    copied, original = _audio_packets(target), _audio_packets(source)
    assert copied == original[-len(copied) :]
    assert len(copied) == pytest.approx(len(original) / 2, abs=1)


@pytest.mark.parametrize(("name", "codec"), [("d.mkv", "pcm_s16le"), ("d.mkv", "mp2")])
def test_audio_that_mp4_does_not_support_becomes_aac(tmp_path: Path, name: str, codec: str) -> None:
    source = make_video(tmp_path / name, steps(20), audio=codec)
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=source) as writer:
        for frame in steps(20):
            writer.write(frame)

    with av.open(str(tmp_path / "a.mp4")) as container:
        audio = container.streams.audio[0]
        assert audio.codec_context.name == "aac"
        assert _seconds(audio) == pytest.approx(0.8, abs=0.05)


def test_source_without_audio_gives_a_silent_video(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", steps(3))
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=source) as writer:
        writer.write(flag())

    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio


def test_audio_file_can_be_the_source(tmp_path: Path) -> None:
    song = make_audio(tmp_path / "song.mp4", duration_s=0.4)
    with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=song) as writer:
        for frame in steps(10):
            writer.write(frame)

    assert len(_audio_packets(tmp_path / "a.mp4")) > 10


def test_error_leaves_the_folder_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), VideoWriter(path, 25, (48, 64)) as writer:
        writer.write(flag())
        raise RuntimeError

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_file_without_frames_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no frame was written"):
        with VideoWriter(tmp_path / "a.mp4", 25, (48, 64)):
            pass
    assert not list(tmp_path.iterdir())


def test_frame_of_another_size_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"frame 1 is uint8 \(64, 48, 3\); it must be uint8"):
        with VideoWriter(tmp_path / "a.mp4", 25, (48, 64)) as writer:
            writer.write(flag())
            writer.write(flag(64, 48))
    assert not list(tmp_path.iterdir())


def test_arguments_out_of_range_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="fps is 0"):
        VideoWriter(tmp_path / "a.mp4", 0, (48, 64))
    with pytest.raises(ParameterError, match="size is"):
        VideoWriter(tmp_path / "a.mp4", 25, (0, 64))
    with pytest.raises(ParameterError, match="crf is 60"):
        VideoWriter(tmp_path / "a.mp4", 25, (48, 64), crf=60)


def test_missing_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^a\.mp4: the video cannot be written"):
        VideoWriter(tmp_path / "missing" / "a.mp4", 25, (48, 64)).__enter__()


def test_unreadable_audio_source_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "source.mp4").write_text("text " * 100)
    writer = VideoWriter(tmp_path / "a.mp4", 25, (48, 64), audio_from=tmp_path / "source.mp4")
    with pytest.raises(MediaError, match=r"^source\.mp4: its audio cannot be read"):
        writer.__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def _seconds(stream: AudioStream) -> float:
    return float((stream.duration or 0) * (stream.time_base or 0))


def _audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_output_does_not_depend_on_uninitialized_memory(tmp_path: Path) -> None:
    """The C library fills new memory with a different byte in each process."""
    script = """
import sys
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from media.video_writer import VideoWriter
from tcan_core.puppets.world import sample_scene
scene = sample_scene(1_000_600, 20, 64)
with VideoWriter(Path(sys.argv[1]), Fraction(12), (64, 64)) as writer:
    for frame in scene.source.frames(scene.source.poses(scene.motion)):
        writer.write(frame)
"""
    for filler in ("1", "170"):
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / f"{filler}.mp4")],
            env={**os.environ, "MALLOC_PERTURB_": filler},
            check=True,
        )
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "170.mp4").read_bytes()
