"""Sound is read before the long work: the first track that can be, at a rate that AAC has."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.audio import extract_sound
from tests.media.make_media import make_video, steps
from tests.media.people_images import CASES


def sound_of(file: Path, *warnings: str) -> tuple[str, int, int] | None:
    """Return codec, rate and tenths of seconds of the extracted sound; check the warnings."""
    heard: list[str] = []
    content = extract_sound(file, heard.append)
    assert [text for text, part in zip(heard, warnings, strict=True) if part not in text] == []
    if content is None:
        return None
    with av.open(io.BytesIO(content), "r") as container:
        [track] = container.streams.audio
        samples = sum(frame.samples for frame in container.decode(track))
        return track.codec_context.name, track.rate, round(10 * samples / track.rate)


def with_pcm(path: Path, rate: int, silent_s: float = 0.0) -> Path:
    """Write a video of a second with uncompressed sound of a rate, which is silent at first."""
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=rate, layout="mono")
        for frame in steps(25):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            output.mux(pictures.encode(picture))
        output.mux(pictures.encode(None))
        tone = (9000 * np.sin(np.arange(rate) / 20)).astype(np.int16)[None]
        tone[:, : round(silent_s * rate)] = 0
        chunk = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = rate, 0, Fraction(1, rate)
        output.mux(sound.encode(chunk))
    return path


def test_first_track_with_a_decoder_is_taken() -> None:
    sound = sound_of(CASES / "apac_first.mov", "the sound is track 2; those before have no decoder")
    assert sound == ("aac", 48_000, 20)


def test_sound_without_a_decoder_is_left_out(tmp_path: Path) -> None:
    content = (CASES / "apac_first.mov").read_bytes()
    unknown = content.replace(b"mp4a", b"zzzz").replace(b"esds", b"xxxx")
    (tmp_path / "a.mp4").write_bytes(unknown)
    assert sound_of(tmp_path / "a.mp4", "its sound cannot be decoded") is None
    assert sound_of(CASES / "f60.mp4", "the file has no sound") is None


def test_part_begins_in_the_middle_of_a_packet(tmp_path: Path) -> None:
    file = with_pcm(tmp_path / "a.mkv", 48_000, silent_s=0.5)  # in one packet
    content = extract_sound(file, pytest.fail, start_s=0.4)
    assert content is not None
    with av.open(io.BytesIO(content), "r") as container:
        samples = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(samples) / 48_000 == pytest.approx(0.6, abs=0.05)
    assert np.abs(samples).argmax() / 48_000 > 0.09
    assert (np.abs(samples) > 0.1).argmax() / 48_000 == pytest.approx(0.1, abs=0.01)


def test_part_after_the_end_of_the_sound_has_none() -> None:
    heard: list[str] = []
    assert extract_sound(CASES / "beep.mp4", heard.append, start_s=5.0) is None
    assert heard == ["beep.mp4: its sound cannot be decoded from 5 s on, so the result has none"]


@pytest.mark.parametrize(
    ("rate", "written"), [(37_800, 48_000), (96_000, 48_000), (192_000, 48_000), (22_050, 22_050)]
)
def test_rate_that_aac_lacks_becomes_48_khz(tmp_path: Path, rate: int, written: int) -> None:
    sound = sound_of(with_pcm(tmp_path / "a.mkv", rate))
    assert sound == ("aac", written, 10)


def test_copied_sound_keeps_its_codec(tmp_path: Path) -> None:
    assert sound_of(CASES / "beep.mp4") == ("aac", 48_000, 20)
    flac = make_video(tmp_path / "a.mkv", steps(25), audio="flac")
    assert sound_of(flac) == ("flac", 48_000, 10)


def test_damaged_sound_ends_at_the_damage(tmp_path: Path) -> None:
    file = make_video(tmp_path / "a.mkv", steps(24) * 2, audio="mp2")
    data = bytearray(file.read_bytes())
    for at in range(len(data) * 2 // 3, len(data) - 500):
        data[at] = 0
    file.write_bytes(data)
    heard: list[str] = []
    assert extract_sound(file, heard.append) is not None
