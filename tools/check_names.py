"""Check names of classes and openings of docstrings, for what ruff has no rule.

A class is named by a noun: not by a participle (`Placed`), an adverb (`Alone`) or a verb with an s
(`Stays`). A docstring states what the thing is or does: it does not open with a question word.

    python tools/check_names.py FOLDER...

Prints one line per finding and exits with 1 if there is any. Standard library only.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Nouns that look like participles.
NOUNS = {"Bed", "Embed", "Feed", "Seed", "Shed", "Speed", "Thread"}
NOT_NOUNS = {
    "Alone", "Beside", "Given", "Heard", "Held", "Here", "Kept", "Known", "Left", "Shown", "Stays",
    "Taken", "Together", "Told",
}  # fmt: skip
QUESTION_WORDS = re.compile(r"(What|Who|Whoever|Whose|Whom|Where|How (much|many|often))\b")
Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main(folders: list[str]) -> int:
    """Print all findings, and return the exit status."""
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
    findings = [f"{file}:{finding}" for file in files for finding in check(file.read_text())]
    print("\n".join(findings) or "names: no findings")
    return int(bool(findings))


def check(source: str) -> Iterator[str]:
    """Yield "line: finding" for each finding in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and not is_noun(node.name):
            yield f"{node.lineno}: class {node.name} is not named by a noun; say of what"
        if isinstance(node, Definition) and QUESTION_WORDS.match(ast.get_docstring(node) or ""):
            line = getattr(node, "lineno", 1)
            yield f"{line}: a docstring opens with a question word; say what it is or does"


def is_noun(name: str) -> bool:
    """Return whether a class name's last word can be a noun."""
    last = re.findall(r"[A-Z][a-z]*|[A-Z]+(?![a-z])", name)[-1:] or [name]
    return last[0] in NOUNS or not (last[0] in NOT_NOUNS or last[0].endswith("ed"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
