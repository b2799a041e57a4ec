"""The text of a pose file: its encoding, and its JSON."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any

from media.errors import PoseFileError

# Those that `json.detect_encoding` tells apart, by marks and by zeros.
ENCODINGS = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
    *("utf-32", "utf-32-le", "utf-32-be"),
)

# Characters of a key in a message.
MAX_SHOWN = 40


def looks_like_json(head: bytes) -> bool:
    """Return whether a file begins like a JSON array or object.

    Args:
        head: the first bytes of the file.
    """
    return head.decode(json.detect_encoding(head), "ignore").lstrip()[:1] in ("[", "{")


def read_json(name: str, data: bytes) -> Any:
    """Return the content of a JSON file in UTF-8, UTF-16 or UTF-32.

    Args:
        name: file name for messages.
        data: content of the file.

    Raises:
        PoseFileError: it is not text in these encodings, not JSON, or an object has a key twice.
    """
    try:
        text = data.decode(json.detect_encoding(data))
        return json.loads(text, object_pairs_hook=partial(_object, name))
    except UnicodeDecodeError as error:
        raise PoseFileError(
            f"{name}: not text in UTF-8 (byte {error.start}); save the file as UTF-8,"
            " if it is a pose file"
        ) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PoseFileError(f"{name}: not JSON ({where}: {error.msg})") from error
    except (RecursionError, ValueError) as error:
        raise PoseFileError(
            f"{name}: not a pose file; nested too deeply, or a number has too many digits"
        ) from error


def _object(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises PoseFileError if it has a key twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        key = next(key for key, count in counts.items() if count > 1)[:MAX_SHOWN]
        raise PoseFileError(f"{name}: {key!r} is given twice in one object; give it once")
    return content
