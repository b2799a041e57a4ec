"""Validate openapi.json and generate clients from it; a warning is an error.

    .venv/bin/python -m tools.check_openapi           # part of make check
    .venv/bin/python -m tools.check_openapi --write   # generate the types of clients/typescript

Programs from PyPI are in .venv-openapi, those from npm in clients/typescript/node_modules. A check
whose program is missing is listed as skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from tools.checks import (
    ROOT,
    Check,
    FailedError,
    SkippedError,
    installed,
    run_checks,
    run_program,
)

VALIDATORS = ROOT / ".venv-openapi" / "bin"
CLIENT = ROOT / "clients/typescript"
TYPES = CLIENT / "src/api.ts"
GENERATORS = ("typescript-fetch", "python", "go")
# The oldest Node.js of clients/typescript/package.json.
NODE = "20.19"
# openapi-generator says these of every document of OpenAPI 3.1, however short.
ALWAYS = ("OpenAPI 3.1 support is still in beta", "Failed to get the schema name: null")


def main() -> int:
    """Run all checks, or write the types; return 1 if one failed."""
    with tempfile.TemporaryDirectory() as scratch:
        document = Path(scratch) / "openapi.json"
        document.write_text(json.dumps(openapi()))
        if sys.argv[1:] == ["--write"]:
            return run_checks([("types of clients/typescript", partial(write_types, document))])
        return run_checks(checks(document))


def openapi() -> dict[str, object]:
    """Return the document of a service with default settings."""
    from service.api.app import create_app
    from service.settings import Settings

    return create_app(Settings()).openapi()


def checks(document: Path) -> Iterator[Check]:
    """Yield names and functions of the checks."""
    yield "openapi-spec-validator", lambda: validate(document)
    yield "openapi-python-client", lambda: python_client(document)
    for generator in GENERATORS:
        yield f"openapi-generator {generator}", partial(generate, document, generator)
    yield "redocly lint", lambda: lint(document)
    yield "openapi-typescript", lambda: compare_types(document)
    yield "tsc, clients/typescript", compile_client


def validate(document: Path) -> str:
    """Validate the document against the specification's schema."""
    run_program([installed(VALIDATORS, "openapi-spec-validator"), str(document)])
    return "valid"


def python_client(document: Path) -> str:
    """Generate a client with openapi-python-client."""
    scripts = sysconfig.get_path("scripts")
    output = document.with_name("python-client")
    command = [installed(Path(scripts), "openapi-python-client"), "generate"]
    command += ["--path", str(document), "--output-path", str(output)]
    # It formats with the ruff that it finds on the path.
    path = {"PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
    run_program([*command, "--meta", "none", "--fail-on-warning"], path)
    return f"{_files(output)} files"


def generate(document: Path, generator: str) -> str:
    """Generate a client with openapi-generator."""
    program = installed(VALIDATORS, "openapi-generator-cli")
    if shutil.which("java") is None:
        raise SkippedError("java is not installed; Debian: apt install default-jre-headless")
    output = document.with_name(generator)
    command = [program, "generate", "--input-spec", str(document)]
    ran = run_program([*command, "--generator-name", generator, "--output", str(output)])
    lines = (ran.stdout + ran.stderr).splitlines()
    found = [line for line in lines if re.search(r"\b(WARN|ERROR)\b", line)]
    if unexpected := [line for line in found if not any(text in line for text in ALWAYS)]:
        raise FailedError("\n".join(unexpected))
    summary = f"{_files(output)} files"
    if generator in COMPILERS:
        COMPILERS[generator](output)
    return summary


def compile_python(folder: Path) -> None:
    """Compile the Python files of a folder."""
    run_program([sys.executable, "-m", "compileall", "-q", str(folder)])


def compile_typescript(folder: Path) -> None:
    """Compile a generated client, if there is Node.js."""
    with suppress(SkippedError):
        options = [
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--moduleResolution",
            "node",
        ]
        run_program([node_program("tsc"), *options, str(folder / "index.ts")])


# The others need compilers that few machines have.
COMPILERS = {"python": compile_python, "typescript-fetch": compile_typescript}


def lint(document: Path) -> str:
    """Lint the document with Redocly's recommended rules."""
    command = [node_program("redocly"), "lint", "--format", "json", str(document)]
    ran = run_program(command, {"REDOCLY_TELEMETRY": "off"}, document.parent)
    report = json.loads(ran.stdout[ran.stdout.index("{") :])
    if report["problems"]:
        found = [f"{each['ruleId']}: {each['message']}" for each in report["problems"]]
        raise FailedError("\n".join(found))
    return "no problem"


def compare_types(document: Path) -> str:
    """Check that the committed types of the TypeScript client are up to date."""
    if types(document) != TYPES.read_text("utf-8"):
        raise FailedError(f"{TYPES.relative_to(ROOT)} is out of date; run 'make fix'")
    return f"{TYPES.relative_to(ROOT)} is up to date"


def write_types(document: Path) -> str:
    """Write the types of the TypeScript client."""
    TYPES.write_text(types(document), "utf-8")
    return str(TYPES.relative_to(ROOT))


def types(document: Path) -> str:
    """Generate TypeScript types with openapi-typescript."""
    return run_program([node_program("openapi-typescript"), str(document)]).stdout


def compile_client() -> str:
    """Compile the TypeScript client and its tests."""
    run_program([node_program("tsc"), "--project", str(CLIENT)])
    return "no error"


def node_program(name: str) -> str:
    """Return the path of a program of clients/typescript/package.json."""
    if shutil.which("node") is None:
        raise SkippedError(f"Node.js is not installed; {NODE} or newer is needed")
    version = run_program(["node", "-p", "process.versions.node"]).stdout.strip()
    if [int(part) for part in version.split(".")] < [int(part) for part in NODE.split(".")]:
        raise SkippedError(f"Node.js is {version}; {NODE} or newer is needed")
    return installed(CLIENT / "node_modules/.bin", name)


def _files(folder: Path) -> int:
    return sum(file.is_file() for file in folder.rglob("*"))


if __name__ == "__main__":
    sys.exit(main())
