"""Packets of AAC leave a file and are written into another without a change."""

from __future__ import annotations

import pytest

from media.aac import AacSound, read_packets, write_file
from media.audio import extract_sound
from tests.media.people_images import CASES


@pytest.fixture(scope="module")
def content() -> bytes:
    """An mp4 file of plain AAC."""
    content = extract_sound(CASES / "beep.mp4", pytest.fail, 0.5, as_aac=True)
    assert content is not None
    return content


def test_written_file_has_the_packets_that_were_read(content: bytes) -> None:
    sound = read_packets(content)
    assert len(sound.data) > 2000
    assert read_packets(write_file(sound)) == sound


def test_wrong_packets_are_refused(content: bytes) -> None:
    sound = read_packets(content)
    wrong: list[AacSound] = [
        sound._replace(table=sound.table[:-1]),
        sound._replace(table=bytes(len(sound.table))),
        sound._replace(data=sound.data[:-1]),
        sound._replace(layout="nonsense"),
        sound._replace(rate=47_999),
    ]
    for one in wrong:
        with pytest.raises(ValueError):
            write_file(one)
