"""`tcan gateway` in a world whose name server is hostile; everything else is the real one."""

from __future__ import annotations

import socket
import sys
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


from cli.main import main

# What each name leads to, look-up by look-up; the last answer stays. 127.0.0.2 is allowed, and so
# stands for a host of the internet; 127.0.0.1 is the inner service that nobody may reach.
NAMES: dict[str, list[list[str]]] = {
    "changing.test": [["127.0.0.2"], ["127.0.0.1"]],
    "two-faced.test": [["127.0.0.2", "127.0.0.1"]],
    "inner.test": [["127.0.0.1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "nowhere.test": [[]],
}
LOOK_UPS = {name: count() for name in NAMES}
real = socket.getaddrinfo


def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
    """The system's resolver, but for the names above."""
    answers = NAMES.get(str(host))
    if answers is None:
        return real(host, port, *rest, **more)
    found = answers[min(next(LOOK_UPS[str(host)]), len(answers) - 1)]
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]


if __name__ == "__main__":
    vars(socket)["getaddrinfo"] = resolve
    main(["gateway", *sys.argv[1:]])
