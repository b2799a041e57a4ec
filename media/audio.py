"""Copy the audio track of one file to another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from media.container import map_ffmpeg_errors, open_container

_AudioPacket: TypeAlias = "Packet[AudioStream]"

# Codecs that mp4 supports; others are re-encoded as AAC.
COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"})


class AudioTrack:
    """The first audio track of `source`, copied to `target` interleaved with its frames.

    The audio begins `start_s` after the first frame of `source`. Without audio in `source` nothing
    is written.

    Raises:
        MediaError: `source` cannot be read.
    """

    def __init__(self, source: Path, target: OutputContainer, start_s: float = 0.0) -> None:
        self._source, self._target, self._skipped_s = source, target, start_s
        meaning = "its audio cannot be read"
        with map_ffmpeg_errors(source.name, meaning), ExitStack() as opening:
            reader = opening.enter_context(open(source, "rb"))
            container = open_container(source.name, reader, meaning=meaning)
            self._input = opening.enter_context(container)
            self._opened = opening.pop_all()
        self._packets: Iterator[_AudioPacket] = iter(())
        self._pending: _AudioPacket | None = None
        if self._input.streams.audio:
            self._packets = self._start_track(self._input.streams.audio[0])

    def write_until(self, time_s: float) -> None:
        """Write the audio that starts before `time_s`."""
        with map_ffmpeg_errors(self._source.name, "its audio is damaged"):
            while (packet := self._pending or next(self._packets, None)) is not None:
                if _start_s(packet) >= time_s:
                    self._pending = packet
                    return
                self._pending = None
                self._target.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self._packets, self._pending = iter(()), None
        self._opened.close()

    def _start_track(self, audio: AudioStream) -> Iterator[_AudioPacket]:
        start_s = _first_frame_s(self._input) + self._skipped_s
        if audio.codec_context.name.removesuffix("float") in COPIED_CODECS:
            written = self._target.add_stream_from_template(audio)
            return _copy_packets(self._input, audio, written, start_s)
        rate = audio.codec_context.sample_rate
        encoded = self._target.add_stream("aac", rate=rate)
        return _encode_packets(self._input, audio, encoded, start_s)


def _start_s(packet: _AudioPacket) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _first_frame_s(container: InputContainer) -> float:
    pictures = container.streams.video
    if not pictures:
        return 0.0
    return float((pictures[0].start_time or 0) * (pictures[0].time_base or 0))


def _copy_packets(
    container: InputContainer, audio: AudioStream, written: AudioStream, start_s: float
) -> Iterator[_AudioPacket]:
    shift = round(start_s / float(audio.time_base or 1))
    for packet in container.demux(audio):
        if packet.dts is None or packet.pts is None:
            continue
        # A packet that ends exactly at the first frame is kept: decoders need it for the next one.
        if packet.pts + (packet.duration or 0) < shift:
            continue
        packet.pts -= shift
        packet.dts -= shift
        packet.stream = written
        yield packet


def _encode_packets(
    container: InputContainer, audio: AudioStream, written: AudioStream, start_s: float
) -> Iterator[_AudioPacket]:
    resampler = AudioResampler(format="fltp", layout=audio.layout, rate=written.rate)
    for frame in container.decode(audio):
        if frame.time is not None and frame.time < start_s:
            continue
        yield from _encode(written, resampler.resample(_shift(frame, start_s)))
    yield from _encode(written, resampler.resample(None))
    yield from written.encode(None)


def _shift(frame: AudioFrame, start_s: float) -> AudioFrame:
    if frame.pts is not None and frame.time_base is not None:
        frame.pts -= round(start_s / float(frame.time_base))
    return frame


def _encode(written: AudioStream, frames: list[AudioFrame]) -> Iterator[_AudioPacket]:
    for frame in frames:
        yield from written.encode(frame)
