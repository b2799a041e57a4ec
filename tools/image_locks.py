"""Compare the images' locks, deploy/docker/*.lock, with the pins that they are made from.

Needs no network: whether PyPI still has these files is shown by building the images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ENTRY = re.compile(r"^([\w.-]+)==([^\s;\\+]+)")
_HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


def lock_problems(lock: str, required: Iterable[str], pins: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a lock; nothing if it may be installed.

    Args:
        lock: requirements with hashes, as `make lock` writes them.
        required: requirements that it must fulfil.
        pins: version by normalized name, which packages in the lock must have.
    """
    versions, problems = dict[str, str](), list[str]()
    for line in re.sub(r"\\\n", " ", lock).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        entry, words = _ENTRY.match(line), line.split()
        if entry is None:
            problems.append(f"{words[0]}: only NAME==VERSION with hashes may be in a lock")
            continue
        name, version = normalized(entry[1]), entry[2]
        versions[name] = version
        if not words[1:] or not all(_HASH.match(word) for word in words[1:]):
            problems.append(f"{name}: it must have sha256 hashes and nothing else")
        if pins.get(name, version) != version:
            problems.append(f"{name}: {version} in the lock, but {pins[name]} in constraints.txt")
    missing = sorted({normalized(one) for one in required} - set(versions))
    return problems + [f"{name}: not in the lock" for name in missing]


def read_pins(text: str) -> dict[str, str]:
    """Return the version by normalized name of lines `name==version`."""
    entries = map(_ENTRY.match, text.splitlines())
    return {normalized(entry[1]): entry[2] for entry in entries if entry is not None}


def normalized(requirement: str) -> str:
    """Return a requirement's normalized name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()
