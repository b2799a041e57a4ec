"""Messages from a child to its parent: JSON or raw bytes, never a pickle.

A message is a kind, a length, and that many bytes. The parent rejects a message that is too long
before it reads it.
"""

from __future__ import annotations

import json
import os
import struct
from enum import IntEnum
from typing import Any

HEAD = struct.Struct("<BQ")


class Kind(IntEnum):
    """The kind of a message."""

    JSON = 1
    BYTES = 2
    END = 3
    STOPPED = 4  # JSON: the reason for which the child failed


class MessageWriter:
    """A writer of a child's messages to its parent.

    Args:
        descriptor: output stream; writes block while the parent does not read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def json(self, content: Any) -> None:
        """Send JSON-serializable data."""
        self.send(Kind.JSON, json.dumps(content).encode())

    def raw(self, content: bytes | memoryview) -> None:
        """Send the content of a contiguous buffer."""
        self.send(Kind.BYTES, content)

    def send(self, kind: Kind, content: bytes | memoryview = b"") -> None:
        """Send one message."""
        view = memoryview(content).cast("B")
        self._write(memoryview(HEAD.pack(kind, len(view))))
        self._write(view)

    def _write(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._descriptor, view) :]
