"""Who may import whom, and what a start must not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

HEAVY = ("diffusers", "peft", "torch", "transformers")

# cli.main is run as the console script runs it, up to the point where it would exit.
HELP = """
import sys
from cli.main import main
sys.argv = ["tcan", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules that it has loaded."""
    report = (
        "import json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout.splitlines()[-1]))


def test_directions_of_imports_are_kept(repository: Path) -> None:
    command = Path(sysconfig.get_path("scripts")) / "lint-imports"
    process = subprocess.run(
        [command, "--no-cache"], cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr


def test_gateway_starts_without_the_model_libraries() -> None:
    loaded = loaded_after("import service.api.app")
    assert "fastapi" in loaded
    assert loaded.isdisjoint({*HEAVY, "tcan_core", "worker"})


def test_help_loads_neither_model_nor_server() -> None:
    loaded = loaded_after(HELP)
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "celery", "fastapi", "redis", "uvicorn"})
