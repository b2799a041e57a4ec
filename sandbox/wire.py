"""Messages of a child to its parent: JSON, or bytes as they are. Never a pickle.

Each is a kind, its length, and that many bytes; the parent refuses what is longer than it allows
before it takes any of it.
"""

from __future__ import annotations

import json
import os
import struct
from enum import IntEnum
from typing import Any

HEAD = struct.Struct("<BQ")


class Kind(IntEnum):
    """What a message is."""

    JSON = 1
    BYTES = 2
    END = 3
    STOPPED = 4  # JSON: the child could not go on, and says why


class MessageWriter:
    """A child's way to its parent.

    Args:
        descriptor: of a stream. It blocks while the parent does not read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def json(self, content: Any) -> None:
        """Send plain data."""
        self.send(Kind.JSON, json.dumps(content).encode())

    def raw(self, content: bytes | memoryview) -> None:
        """Send what a contiguous buffer holds."""
        self.send(Kind.BYTES, content)

    def send(self, kind: Kind, content: bytes | memoryview = b"") -> None:
        """Send one message."""
        view = memoryview(content).cast("B")
        self._write(memoryview(HEAD.pack(kind, len(view))))
        self._write(view)

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._descriptor, view) :]
