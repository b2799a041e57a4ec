"""Inputs that the clients take."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tcan_client.sources import File, Reference, Source, read_source

CONTENT = b"a picture"
UPLOAD = "0123456789abcdef" * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "me.png"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize(
    ("source", "kind"),
    [("http://a.example/x", "url"), ("HTTPS://a.example/x", "url"), (UPLOAD, "upload")],
)
def test_text_may_be_a_reference(source: str, kind: str) -> None:
    assert read_source("image", source) == Reference(kind, source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (str, "me.png"),
        (Path, "me.png"),
        (Path.read_bytes, "image"),
        (lambda file: io.BytesIO(file.read_bytes()), "image"),
    ],
)
def test_content_is_read_from_its_start_at_each_attempt(
    file: Path, source: Callable[[Path], Source], name: str
) -> None:
    read = read_source("image", source(file))
    assert isinstance(read, File)
    assert (read.name, read.size_bytes) == (name, len(CONTENT))
    for _ in range(2):
        with read.open() as stream:
            assert stream.read() == CONTENT


def test_open_file_is_sent_whole_and_stays_open(file: Path) -> None:
    with open(file, "rb") as stream:
        stream.read(3)
        read = read_source("image", stream)
        assert isinstance(read, File)
        for _ in range(2):
            with read.open() as content:
                assert content.read() == CONTENT


def test_pipe_is_read_into_memory(file: Path) -> None:
    receiver, sender = os.pipe()
    os.write(sender, CONTENT)
    os.close(sender)
    with open(receiver, "rb") as stream:
        read = read_source("image", stream)
    assert isinstance(read, File)
    for _ in range(2):
        with read.open() as content:
            assert content.read() == CONTENT


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        read_source("image", str(tmp_path / "missing.png"))


@pytest.mark.parametrize("mistake", [None, 7, ["me.png"], io.StringIO("text")])
def test_other_types_are_refused_with_the_name_of_the_input(mistake: Any) -> None:
    with pytest.raises(TypeError, match="image must be .*binary mode"):
        read_source("image", mistake)
