"""Consistency of pyproject.toml, the packages and their documentation."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tools.image_locks import normalized

PACKAGES = ("sandbox", "media", "service", "worker", "tcan_core", "cli")


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    """Parse pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files(repository: Path) -> list[Path]:
    """List the tracked files of the packages, relative to the repository."""
    process = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=repository, capture_output=True, text=True, check=True
    )
    return [Path(line) for line in process.stdout.splitlines()]


def is_type_checking_block(node: ast.AST) -> bool:
    """Check whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imported_modules(node: ast.AST) -> Iterator[str]:
    """Yield the top-level modules that a module imports at run time, at any depth."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]
    elif not is_type_checking_block(node):
        for child in ast.iter_child_nodes(node):
            yield from imported_modules(child)


def test_only_the_packages_are_installed(repository: Path, pyproject: dict[str, Any]) -> None:
    patterns: list[str] = pyproject["tool"]["setuptools"]["packages"]["find"]["include"]
    folders = [path.name for path in repository.iterdir() if path.is_dir()]
    installed = {name for name in folders if any(fnmatch(name, one) for one in patterns)}
    assert installed == set(PACKAGES)


def test_all_data_files_are_packaged(repository: Path, pyproject: dict[str, Any]) -> None:
    patterns: dict[str, list[str]] = pyproject["tool"]["setuptools"]["package-data"]
    shipped = {
        path.relative_to(repository)
        for package, globs in patterns.items()
        for glob in globs
        for path in (repository / package).glob(glob)
    }
    data = {path for path in tracked_files(repository) if path.suffix not in {".py", ".md"}}
    assert data - shipped == set()


def test_all_imports_are_declared_dependencies(repository: Path, pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    declared = {normalized(line) for line in project["dependencies"]}
    declared |= {normalized(line) for extra in ("pose", "lpips", "cuda") for line in extras[extra]}
    distributions = importlib.metadata.packages_distributions()
    undeclared = {
        f"{path}: {name}"
        for path in tracked_files(repository)
        if path.suffix == ".py"
        for name in imported_modules(ast.parse((repository / path).read_text(encoding="utf-8")))
        if name not in {*PACKAGES, *sys.stdlib_module_names}
        and declared.isdisjoint(normalized(one) for one in distributions.get(name, [name]))
    }
    assert undeclared == set()


def test_all_dependencies_are_pinned(repository: Path, pyproject: dict[str, Any]) -> None:
    constraints = (repository / "constraints-pose.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normalized(line) for line in constraints if "==" in line}
    extras = pyproject["project"]["optional-dependencies"]
    required = [*pyproject["project"]["dependencies"], *extras["dev"]]
    required += [*extras["pose"], *extras["lpips"]]
    assert {normalized(line) for line in required} - pinned == {"tcan-client"}


def test_files_named_on_architecture_pages_exist(repository: Path) -> None:
    mentions = {
        (page.stem, name)
        for page in (repository / "docs/architecture").glob("*.md")
        if page.stem in PACKAGES
        for name in re.findall(r"`([\w./]+(?:\.py|\.lua|/))`", page.read_text(encoding="utf-8"))
    }
    missing = {
        f"{package}.md: {name}"
        for package, name in mentions
        if not (repository / package / name).exists() and not (repository / name).exists()
    }
    assert len(mentions) > 50
    assert missing == set()
