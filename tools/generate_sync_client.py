"""Generate the blocking client from the async one: service/client/sync.py from aio.py.

Run it after a change of aio.py; `--print` writes the result to the standard output instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "service" / "client"
RULES = (
    (r'^"""The async client."""', '"""The blocking client, generated from aio.py: do not edit."""'),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bCallable\[\[float\], Awaitable\[None\]\]", "Callable[[float], None]"),
    (r"\bAsyncGenerator\[(.+?), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bAsyncClient\b", "Client"),
    (r"\banyio\b", "time"),
    (r"\b__a(enter|exit)__", r"__\1__"),
    (r"\ba(closing|read|close|iter_bytes)\b", r"\1"),
)


def main() -> None:
    """Write or print the blocking client."""
    text = generate((CLIENT / "aio.py").read_text("utf-8"))
    if "--print" in sys.argv[1:]:
        sys.stdout.write(text)
    else:
        (CLIENT / "sync.py").write_text(text, "utf-8")


def generate(source: str) -> str:
    """Return the source of the blocking client."""
    for pattern, replacement in RULES:
        source = re.sub(pattern, replacement, source)
    fix = ["check", "--select", "I,F401,UP028", "--fix", "--unsafe-fixes"]
    for command in (fix, ["format"]):
        file = str(CLIENT / "sync.py")
        source = _ruff([*command, "--quiet", "--stdin-filename", file, "-"], source)
    return source


def _ruff(arguments: list[str], source: str) -> str:
    ruff = Path(sysconfig.get_path("scripts")) / "ruff"
    process = subprocess.run(
        [ruff, *arguments], input=source, capture_output=True, text=True, check=True
    )
    return process.stdout


if __name__ == "__main__":
    main()
