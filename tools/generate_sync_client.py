"""Generate the blocking client from the async one: tcan_client/sync from tcan_client/aio.

Run it after a change of tcan_client/aio; `--check` changes nothing and fails if a file differs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "clients" / "python" / "tcan_client"
MODULES = ("transport.py", "records.py", "client.py")
RULES = (
    (r'\A"""(.*?)\."""', r'"""\1, generated from aio: do not edit."""'),
    (r"\A(.*)\basync client", r"\1blocking client"),
    (r"\btcan_client\.aio\b", "tcan_client.sync"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bCallable\[\[float\], Awaitable\[None\]\]", "Callable[[float], None]"),
    (r"\bAsyncGenerator\[(.+?), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bAsync(Client|Records|Transport)\b", r"\1"),
    (r"\banyio\b", "time"),
    (r"\b__a(enter|exit)__", r"__\1__"),
    (r"\ba(closing|read|close|iter_bytes)\b", r"\1"),
)


def main() -> None:
    """Write the blocking client, or check that it is up to date."""
    generated = {CLIENT / "sync" / name: generate(name) for name in MODULES}
    if sys.argv[1:] == ["--check"]:
        old = [file.name for file, text in generated.items() if file.read_text("utf-8") != text]
        if old:
            sys.exit(f"error: {', '.join(old)} of tcan_client/sync is out of date; run 'make fix'")
        return
    for file, text in generated.items():
        file.write_text(text, "utf-8")


def generate(name: str) -> str:
    """Return the source of a module of the blocking client."""
    source = (CLIENT / "aio" / name).read_text("utf-8")
    for pattern, replacement in RULES:
        source = re.sub(pattern, replacement, source)
    fix = ["check", "--select", "I,F401,UP028", "--fix", "--unsafe-fixes"]
    for command in (fix, ["format"]):
        file = str(CLIENT / "sync" / name)
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
