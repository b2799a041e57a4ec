"""Import directions between packages, and modules that a start must not load."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.test_packaging import imported_modules

HEAVY = ("diffusers", "peft", "torch", "transformers")

# Runs cli.main like the console script and catches its exit.
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
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    loaded = json.loads(process.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in loaded}


def test_import_contracts_hold(repository: Path) -> None:
    command = Path(sysconfig.get_path("scripts")) / "lint-imports"
    process = subprocess.run(
        [command, "--no-cache"], cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr


def test_gateway_imports_no_model_library() -> None:
    loaded = loaded_after("import service.api.app, service.inspection.child")
    assert {"fastapi", "av", "PIL"} <= loaded
    assert loaded.isdisjoint({*HEAVY, "numpy", "tcan_core", "worker"})


def test_client_imports_nothing_of_the_project() -> None:
    loaded = loaded_after("import tcan_client")
    assert {"anyio", "httpx", "pydantic"} <= loaded
    servers = {"boto3", "celery", "fastapi", "opentelemetry", "redis", "starlette"}
    project = {"cli", "media", "sandbox", "service", "tcan_core", "worker"}
    assert loaded.isdisjoint({*HEAVY, *servers, *project})


def test_comfyui_nodes_import_the_client_alone(repository: Path) -> None:
    files = (repository / "integrations/comfyui").glob("*.py")
    names = {name for file in files for name in imported_modules(ast.parse(file.read_text()))}
    of_comfyui = {"PIL", "av", "comfy", "folder_paths", "numpy", "torch"}
    assert names - sys.stdlib_module_names == {*of_comfyui, "tcan_client"}


def test_help_imports_neither_model_nor_server() -> None:
    loaded = loaded_after(HELP)
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "celery", "fastapi", "redis", "uvicorn"})
