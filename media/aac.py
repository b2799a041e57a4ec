"""Sound as AAC packets without a container, as it leaves a sandboxed child.

Whoever receives the packets writes them into a file of its own and never parses a file that the
child made.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

# Start in samples, and duration in samples and size in bytes, of each packet.
_ENTRY = struct.Struct("<qII")
# The first two bytes of an AudioSpecificConfig. Source: ISO/IEC 14496-3, 1.6.2.1 and 4.4.1.
_OBJECT_TYPE, _RATE, _CHANNELS, _FLAGS = 11, 7, 3, 0b111
_LC, _WRITTEN_RATE, _WRITTEN_CHANNELS = 2, 13, 8


class AacSound(NamedTuple):
    """Packets of AAC-LC with frames of 1024 samples.

    Attributes:
        rate: samples per second.
        layout: channels, such as `stereo`.
        table: start, duration and size of each packet.
        data: the packets, one behind the other.
    """

    rate: int
    layout: str
    table: bytes
    data: bytes


def is_plain_aac(track: AudioStream) -> bool:
    """Return whether the settings of FFmpeg's AAC encoder describe this track, too."""
    context = track.codec_context
    settings = context.extradata or b""
    if context.name != "aac" or context.profile != "LC" or len(settings) < 2:
        return False
    first = int.from_bytes(settings[:2], "big")
    return (
        first >> _OBJECT_TYPE == _LC
        and first >> _RATE & 15 < _WRITTEN_RATE
        and 0 < first >> _CHANNELS & 15 < _WRITTEN_CHANNELS
        and not first & _FLAGS
    )


def read_packets(content: bytes) -> AacSound:
    """Return the packets of an mp4 file whose only track is plain AAC."""
    table, data = io.BytesIO(), io.BytesIO()
    with av.open(io.BytesIO(content), "r", format="mov") as container:
        track = container.streams.audio[0]
        for packet in container.demux(track):
            if packet.pts is None or not packet.size:
                continue
            start = packet.pts * packet.time_base * track.rate
            length = (packet.duration or 0) * packet.time_base * track.rate
            table.write(_ENTRY.pack(round(start), round(length), packet.size))
            data.write(bytes(packet))
        return AacSound(track.rate, track.layout.name, table.getvalue(), data.getvalue())


def write_file(sound: AacSound) -> bytes:
    """Return an mp4 file of the packets.

    Raises:
        ValueError: table, rate or layout is invalid.
        av.FFmpegError: FFmpeg cannot write them.
    """
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=sound.rate, layout=sound.layout)
        for packet in _packets(sound):
            packet.stream = stream
            output.mux(packet)
    return memory.getvalue()


def _packets(sound: AacSound) -> Iterator[Packet[Stream]]:
    at = 0
    if len(sound.table) % _ENTRY.size:
        raise ValueError("the table of packets ends early")
    for start, length, size in _ENTRY.iter_unpack(sound.table):
        data = sound.data[at : at + size]
        if not size or len(data) < size:
            raise ValueError("the packets are shorter than their table says")
        packet = Packet(data)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base = length, Fraction(1, sound.rate)
        yield packet
        at += size
