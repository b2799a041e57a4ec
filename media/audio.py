"""Carry the sound of one file over to another."""

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

from media.container import ffmpeg_errors, open_container

_Sound: TypeAlias = "Packet[AudioStream]"

# What an mp4 file may hold as it is; other codecs are encoded anew as AAC.
COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"})


class AudioTrack:
    """The first sound track of `source`, written beside the pictures of `target` as they come.

    Its time counts from the first picture of `source`. A file without sound gives none.

    Raises:
        MediaError: `source` cannot be read.
    """

    def __init__(self, source: Path, target: OutputContainer) -> None:
        self._source, self._target = source, target
        meaning = "its sound cannot be read"
        with ffmpeg_errors(source.name, meaning), ExitStack() as opening:
            reader = opening.enter_context(open(source, "rb"))
            container = open_container(source.name, reader, meaning=meaning)
            self._input = opening.enter_context(container)
            self._opened = opening.pop_all()
        self._packets: Iterator[_Sound] = iter(())
        self._waiting: _Sound | None = None
        if self._input.streams.audio:
            self._packets = self._begin(self._input.streams.audio[0])

    def write_until(self, time_s: float) -> None:
        """Write the sound that begins before `time_s`."""
        with ffmpeg_errors(self._source.name, "its sound is damaged"):
            while (packet := self._waiting or next(self._packets, None)) is not None:
                if _begins_s(packet) >= time_s:
                    self._waiting = packet
                    return
                self._waiting = None
                self._target.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self._packets, self._waiting = iter(()), None
        self._opened.close()

    def _begin(self, sound: AudioStream) -> Iterator[_Sound]:
        start_s = _first_picture_s(self._input)
        if sound.codec_context.name.removesuffix("float") in COPIED_CODECS:
            written = self._target.add_stream_from_template(sound)
            return _copied(self._input, sound, written, start_s)
        rate = sound.codec_context.sample_rate
        encoded = self._target.add_stream("aac", rate=rate)
        return _encoded(self._input, sound, encoded, start_s)


def _begins_s(packet: _Sound) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _first_picture_s(container: InputContainer) -> float:
    pictures = container.streams.video
    if not pictures:
        return 0.0
    return float((pictures[0].start_time or 0) * (pictures[0].time_base or 0))


def _copied(
    container: InputContainer, sound: AudioStream, written: AudioStream, start_s: float
) -> Iterator[_Sound]:
    shift = round(start_s / float(sound.time_base or 1))
    for packet in container.demux(sound):
        if packet.dts is None or packet.pts is None:
            continue
        if (
            packet.pts + (packet.duration or 0) < shift
        ):  # one that ends just there warms up the next
            continue
        packet.pts -= shift
        packet.dts -= shift
        packet.stream = written
        yield packet


def _encoded(
    container: InputContainer, sound: AudioStream, written: AudioStream, start_s: float
) -> Iterator[_Sound]:
    resampler = AudioResampler(format="fltp", layout=sound.layout, rate=written.rate)
    for frame in container.decode(sound):
        if frame.time is not None and frame.time < start_s:
            continue
        yield from _encode(written, resampler.resample(_from(frame, start_s)))
    yield from _encode(written, resampler.resample(None))
    yield from written.encode(None)


def _from(frame: AudioFrame, start_s: float) -> AudioFrame:
    if frame.pts is not None and frame.time_base is not None:
        frame.pts -= round(start_s / float(frame.time_base))
    return frame


def _encode(written: AudioStream, frames: list[AudioFrame]) -> Iterator[_Sound]:
    for frame in frames:
        yield from written.encode(frame)
