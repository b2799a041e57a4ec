"""The text of a pose file: its encoding, and its JSON."""

from __future__ import annotations

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from typing import Any

from media.errors import PoseFileError

ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def looks_like_json(head: bytes) -> bool:
    """Return whether a file begins like a JSON array or object.

    Args:
        head: the first bytes of the file.
    """
    return head.decode(_encoding(head), "ignore").lstrip()[:1] in ("[", "{")


def read_json(name: str, data: bytes) -> Any:
    """Return the content of a JSON file in UTF-8 or UTF-16.

    Args:
        name: file name for messages.
        data: content of the file.

    Raises:
        PoseFileError: it is not text in these encodings, or not JSON.
    """
    try:
        return json.loads(data.decode(_encoding(data)))
    except UnicodeDecodeError as error:
        raise PoseFileError(
            f"{name}: not text in UTF-8 (byte {error.start}); save the file as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PoseFileError(f"{name}: not JSON ({where}: {error.msg})") from error
    except (RecursionError, ValueError) as error:
        raise PoseFileError(
            f"{name}: not a pose file; nested too deeply, or a number has too many digits"
        ) from error


def _encoding(data: bytes) -> str:
    """Return the encoding by the byte order mark, or by the first character, `[` or `{`."""
    if data.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):  # first: one begins like UTF-16's
        return "utf-32"
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    if data[:2] in (b"[\0", b"{\0"):
        return "utf-16-le"
    return "utf-16-be" if data[:2] in (b"\0[", b"\0{") else "utf-8-sig"
