"""Check what the documentation mentions: paths, modules, commands, options, settings, decisions.

    .venv/bin/python tools/check_docs.py

Links and anchors are checked by `mkdocs build --strict` (mkdocs.yml).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools.docs_reference import build_cli  # noqa: E402

CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
PATH = re.compile(
    r"(?<![\w/.:~<-])([\w.-]+(?:/[\w.-]+)*\.(?:py|lua|sh|md|ya?ml|toml)|[\w-]+(?:/[\w.-]+)+/?)"
)
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z0-9-]*)")
MODULE = re.compile(r"(?<!\w)-m ((?:cli|tcan_core|service|worker|tests)(?:\.\w+)+)")
TCAN = re.compile(
    r"(?<![\w./-])(?<!-n )(?<!namespace )(?:\.venv/bin/)?tcan ((?:[^\n`|;&#<>]|\\\n)+)"
)
SETTING = re.compile(r"(?<!\w)TCAN_[A-Z0-9_]+(?![\w*])")
DECISION = re.compile(r"decisions?[ /]\[?(00\d\d)")
# Names of Deployments in kubectl commands, which look like paths.
KUBERNETES = ("deploy/gateway", "deploy/worker", "deploy/prepare")
# Variables of the compose file, the command line and the tests.
NAMED_ELSEWHERE = (".env.example", "docker-compose.yml", "service/settings.py", "docs/weights.md")


def main() -> None:
    """Print every finding; exit with 1 if there is one."""
    pages = [name for name in _tracked("*.md") if name != "CHANGELOG.md"]
    findings = [
        finding for name in pages for finding in check_page(name, (ROOT / name).read_text())
    ]
    findings += check_decisions()
    for finding in findings:
        print(finding)
    print(f"{len(pages)} pages checked, {len(findings)} findings")
    sys.exit(1 if findings else 0)


def check_page(name: str, text: str) -> list[str]:
    """Return what a page's code spans and blocks mention that does not exist."""
    findings = []
    for span in CODE.findall(text):
        findings += [
            f"no file {path}" for path in PATH.findall(span) if not _is_path(name, span, path)
        ]
        findings += [
            f"no target: make {one}" for one in MAKE.findall(span) if one not in _targets()
        ]
        findings += [f"no module {one}" for one in MODULE.findall(span) if not _is_module(one)]
        findings += [f"no setting {one}" for one in SETTING.findall(span) if not _is_setting(one)]
        findings += [finding for line in TCAN.findall(span) for finding in _check_command(line)]
    return [f"{name}: {finding}" for finding in dict.fromkeys(findings)]


def check_decisions() -> Iterator[str]:
    """Yield references to decisions that do not exist, in all tracked text files."""
    numbers = {path.name[:4] for path in (ROOT / "docs/decisions").glob("0*.md")}
    for name in _tracked("*.md", "*.py", "*.lua", "*.y*ml", "*.toml", "Makefile", "constraints*"):
        for number in DECISION.findall((ROOT / name).read_text()):
            if number not in numbers:
                yield f"{name}: no decision {number}"


def _is_path(page: str, span: str, path: str) -> bool:
    """Return whether a path of the repository exists; paths elsewhere are not checked."""
    first = path.split("/")[0]
    package = Path(page).stem if page.startswith("docs/architecture/") else ""
    is_ours = first in _roots() and "/" in path and path not in KUBERNETES
    is_ours |= bool(package) and path.endswith((".py", ".lua")) and span == f"`{path}`"
    bases = (ROOT, (ROOT / page).parent, ROOT / package, ROOT / "deploy/kubernetes")
    return not is_ours or any((base / path).exists() for base in bases)


def _check_command(line: str) -> Iterator[str]:
    """Yield the command or options of a `tcan` command line that do not exist."""
    words = re.split(r"\s+", line.replace("\\\n", " ").strip())
    command: Any = _cli()
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        name = words.pop(0)
        if not re.fullmatch(r"[a-z][a-z-]*", name):
            return
        if name not in command.commands:
            yield f"no command: tcan ... {name}"
            return
        command = command.commands[name]
    options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    for word in words:
        option = word.split("=")[0].rstrip(",.)`'\"")
        if re.fullmatch(r"--[a-z][a-z0-9-]*", option) and option not in {*options, "--help"}:
            yield f"no option {option} of tcan {line.split()[0]}"


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def _is_setting(name: str) -> bool:
    from service.settings import Settings

    field = name.removeprefix("TCAN_").lower().split("__")[0]
    return field in Settings.model_fields or name in _named_elsewhere()


@cache
def _named_elsewhere() -> frozenset[str]:
    texts = [(ROOT / name).read_text() for name in NAMED_ELSEWHERE]
    return frozenset(name for text in texts for name in SETTING.findall(text))


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def _roots() -> frozenset[str]:
    return frozenset(name.split("/")[0] for name in _tracked() if "/" in name)


@cache
def _cli() -> Any:
    return typer.main.get_command(build_cli())


def _tracked(*patterns: str) -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", *patterns]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if (ROOT / name).is_file()]


if __name__ == "__main__":
    main()
