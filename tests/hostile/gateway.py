"""`tcan gateway` with a hostile name server; everything else is real."""

from __future__ import annotations

import socket
import sys
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


from cli.main import main

# Answers to successive lookups of each name; the last one repeats. 127.0.0.2 is allowed and acts as
# a host of the internet; 127.0.0.1 is the internal service, which must not be reached.
NAMES: dict[str, list[list[str]]] = {
    "changing.test": [["127.0.0.2"], ["127.0.0.1"]],
    "two-faced.test": [["127.0.0.2", "127.0.0.1"]],
    "inner.test": [["127.0.0.1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "nowhere.test": [[]],
}
LOOKUP_COUNTS = {name: count() for name in NAMES}
system_getaddrinfo = socket.getaddrinfo


def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
    """Resolve the names above; pass others to the system's resolver."""
    answers = NAMES.get(str(host))
    if answers is None:
        return system_getaddrinfo(host, port, *rest, **more)
    addresses = answers[min(next(LOOKUP_COUNTS[str(host)]), len(answers) - 1)]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


if __name__ == "__main__":
    vars(socket)["getaddrinfo"] = resolve
    main(["gateway", *sys.argv[1:]])
