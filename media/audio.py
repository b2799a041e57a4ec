"""Sound: copy the audio track of one file to another, and check it before long work."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from media.aac import is_plain_aac
from media.container import main_video_stream, map_ffmpeg_errors, open_container
from media.errors import MediaError
from media.files import MediaFile, Source, media_file

_AudioPacket: TypeAlias = "Packet[AudioStream]"

# Codecs that mp4 supports; others are re-encoded as AAC.
COPIED_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"})
AAC_RATES = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
DEFAULT_RATE = 48_000
UNREADABLE = "its audio cannot be read"


def extract_sound(
    source: Source, warn: Callable[[str], None], start_s: float = 0.0, *, as_aac: bool = False
) -> bytes | None:
    """Return the sound of a file as an mp4 file, or None if there is none that can be read.

    The first track that can be read is taken. To copy the result needs no decoder.

    Args:
        start_s: where the sound begins, in seconds after the first frame of the source's video.
        warn: called when a track, the end of one, or all sound is left out.
        as_aac: re-encode all that is not `aac.is_plain_aac`, also what mp4 supports.

    Raises:
        MediaError: the file cannot be opened.
    """
    file = media_file(source)
    with _open(file) as container:
        tracks = len(container.streams.audio)
    if not tracks:
        warn(f"{file.name}: the file has no sound, so the result has none")
        return None
    for index in range(tracks):
        for encodes in (False, True):
            try:
                is_plain = _check_decodes(file, index)
                encodes = encodes or (as_aac and not is_plain)
                sound = _extract(file, index, encodes, start_s, warn)
            except MediaError:
                continue
            if index:
                warn(f"{file.name}: the sound is track {index + 1}; those before have no decoder")
            return sound
    part = f" from {start_s:g} s on" if start_s else ""
    warn(f"{file.name}: its sound cannot be decoded{part}, so the result has none")
    return None


class AudioTrack:
    """An audio track of `source`, copied to `target` interleaved with its frames.

    The audio begins `start_s` after the first frame of `source`. Without audio in `source` nothing
    is written.

    Args:
        index: which of the audio tracks; the first one with a decoder by default.
        encodes: re-encode also what mp4 supports.

    Raises:
        MediaError: `source` cannot be read.
    """

    def __init__(
        self,
        source: Source,
        target: OutputContainer,
        start_s: float = 0.0,
        *,
        index: int | None = None,
        encodes: bool = False,
    ) -> None:
        self._source, self._target, self._skipped_s = media_file(source), target, start_s
        self._encodes = encodes
        with ExitStack() as opening:
            self._input = opening.enter_context(_open(self._source))
            self._opened = opening.pop_all()
        self._packets: Iterator[_AudioPacket] = iter(())
        self._pending: _AudioPacket | None = None
        self.written_s = 0.0
        tracks = [s for s in self._input.streams.audio if has_decoder(s)]
        if index is not None:
            tracks = [self._input.streams.audio[index]]
        if tracks:
            with map_ffmpeg_errors(self._source.name, UNREADABLE):
                self._packets = self._start_track(tracks[0])

    def write_until(self, time_s: float) -> None:
        """Write the audio that starts before `time_s`."""
        with map_ffmpeg_errors(self._source.name, "its audio is damaged"):
            while (packet := self._pending or next(self._packets, None)) is not None:
                if _start_s(packet) >= time_s:
                    self._pending = packet
                    return
                self._pending, end_s = None, _start_s(packet) + _duration_s(packet)
                self._target.mux(packet)
                self.written_s = max(self.written_s, end_s)

    def close(self) -> None:
        """Close the source."""
        self._packets, self._pending = iter(()), None
        self._opened.close()

    def _start_track(self, audio: AudioStream) -> Iterator[_AudioPacket]:
        start_s = _first_frame_s(self._input) + self._skipped_s
        codec = audio.codec_context.name.removesuffix("float")
        if codec in COPIED_CODECS and not self._encodes:
            written = self._target.add_stream_from_template(audio)
            return _copy_packets(self._input, audio, written, start_s)
        rate = audio.codec_context.sample_rate
        encoded = self._target.add_stream("aac", rate=rate if rate in AAC_RATES else DEFAULT_RATE)
        return _encode_packets(self._input, audio, encoded, start_s)


def has_decoder(track: AudioStream) -> bool:
    """Return whether the codec of an audio track can be decoded."""
    context: object = track.codec_context  # may be None, contrary to PyAV's types
    return context is not None


@contextmanager
def _open(file: MediaFile) -> Iterator[InputContainer]:
    with (
        map_ffmpeg_errors(file.name, UNREADABLE),
        file.open() as reader,
        open_container(file.name, reader, meaning=UNREADABLE) as container,
    ):
        yield container


def _check_decodes(file: MediaFile, index: int) -> bool:
    """Return whether an audio track is plain AAC. Raise MediaError unless its beginning decodes."""
    with _open(file) as container:
        track = container.streams.audio[index]
        if not has_decoder(track) or next(container.decode(track), None) is None:
            raise MediaError(f"{file.name}: {UNREADABLE}")
        return is_plain_aac(track)


def _extract(
    file: MediaFile, index: int, encodes: bool, start_s: float, warn: Callable[[str], None]
) -> bytes:
    """Return a track as an mp4 file, up to damage in it. Raises MediaError if nothing is left."""
    memory = io.BytesIO()
    with (
        map_ffmpeg_errors(file.name, UNREADABLE),
        av.open(memory, "w", format="mp4") as output,
        closing(AudioTrack(file, output, start_s, index=index, encodes=encodes)) as track,
    ):
        try:
            track.write_until(math.inf)
        except MediaError:
            if not track.written_s:
                raise
            warn(f"{file.name}: its sound is damaged and ends at {track.written_s:.1f} s")
        if not track.written_s:
            raise MediaError(f"{file.name}: the track has no sound from {start_s:g} s on")
    return memory.getvalue()


def _duration_s(packet: _AudioPacket) -> float:
    return float((packet.duration or 0) * packet.time_base)


def _start_s(packet: _AudioPacket) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _first_frame_s(container: InputContainer) -> float:
    pictures = main_video_stream(container)
    if pictures is None:
        return 0.0
    return float((pictures.start_time or 0) * (pictures.time_base or 0))


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
        if frame.time is not None and frame.time + frame.samples / frame.sample_rate <= start_s:
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
