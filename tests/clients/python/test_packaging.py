"""The package tcan-client: its dependencies, its versions, and an installation of its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_packaging import imported_modules
from tools.image_locks import normalized


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    """The metadata of the package."""
    text = (repository / "clients/python/pyproject.toml").read_text("utf-8")
    metadata: dict[str, Any] = tomllib.loads(text)["project"]
    return metadata


def test_imports_are_the_declared_dependencies(repository: Path, project: dict[str, Any]) -> None:
    files = (repository / "clients/python/tcan_client").rglob("*.py")
    imported = {name for file in files for name in imported_modules(ast.parse(file.read_text()))}
    declared = {normalized(line) for line in project["dependencies"]}
    assert imported - {*sys.stdlib_module_names, "tcan_client"} == declared


def test_dependencies_are_ranges(project: dict[str, Any]) -> None:
    assert all(">=" in line and "," in line and "<" in line for line in project["dependencies"])


def test_service_requires_this_version(repository: Path, project: dict[str, Any]) -> None:
    service = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"tcan-client=={project['version']}" in service["dependencies"]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs a command outside of the checkout, which must succeed, and returns its output."""

    def run(*command: str | Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.long
def test_script_with_every_method_passes_strict_mypy(
    repository: Path, run: Callable[..., str]
) -> None:
    # Not with the project's configuration: its plugin of pydantic knows more than plain mypy does.
    check = (sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull)
    script = repository / "tests/clients/python/every_method.py"
    run(*check, script, MYPYPATH=str(repository / "clients/python"))


@pytest.mark.slow
def test_empty_environment_gets_few_packages(
    repository: Path, tmp_path: Path, run: Callable[..., str]
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    run(python, "-m", "pip", "install", "--quiet", repository / "clients/python")
    listed = json.loads(run(python, "-m", "pip", "list", "--format", "json"))
    packages = {entry["name"] for entry in listed} - {"pip", "setuptools"}
    assert {"tcan-client", "httpx", "pydantic", "anyio"} <= packages
    assert len(packages) < 15
    run(python, "-c", "import tcan_client")
