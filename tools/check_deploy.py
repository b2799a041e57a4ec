"""`make check-deploy`: check the files under deploy/ without a cluster.

Each check runs one program. If the program is missing, the check is listed as skipped, with the
reason, and again at the end. Standard library and PyYAML only.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml

from deploy.docker.requirements import IMAGES, requirements
from tools.checks import (
    ROOT,
    Check,
    FailedError,
    SkippedError,
    installed,
    run_checks,
    run_program,
)
from tools.image_locks import lock_problems, read_pins

TOOLS = ROOT / ".venv-deploy" / "bin"
SCHEMAS = ROOT / "tests/deploy/schemas"
# Supported versions, from the oldest to the newest.
KUBERNETES = ("1.33.0", "1.34.0", "1.35.0", "1.36.0", "1.37.0")


def main() -> int:
    """Run all checks; return 1 if one failed."""
    with tempfile.TemporaryDirectory() as scratch:
        return run_checks(checks(Path(scratch)))


def checks(scratch: Path) -> Iterator[Check]:
    """Yield names and functions of the checks; later ones use files that earlier ones write."""
    for folder in kustomizations():
        file = scratch / f"{'-'.join(folder.parts)}.yaml"
        yield f"kubectl kustomize {folder}", partial(render, folder, file)
        for version in KUBERNETES:
            yield (
                f"kubernetes-validate {version} {folder}",
                partial(validate, file, version),
            )
        yield f"custom resources of {folder}", partial(custom_resources, file, scratch)
    yield "checkov, manifests", lambda: checkov("kubernetes", sorted(scratch.glob("*.yaml")))
    yield "locks of the images", locks
    yield "digests of base and server images", digests
    recipes = sorted((ROOT / "deploy/docker").glob("*.Dockerfile"))
    yield "checkov, images", lambda: checkov("dockerfile", recipes)
    yield "hadolint", lambda: run([tool("hadolint"), *map(str, recipes)], f"{len(recipes)} images")
    rules = ROOT / "deploy/monitoring"
    yield "promtool check", lambda: promtool("check", "rules", file=rules / "rules.yml")
    yield "promtool test", lambda: promtool("test", "rules", file=rules / "rules_test.yml")
    # Compose makes the file of the token; only the syntax can be checked without it.
    config = rules / "prometheus.yml"
    yield "promtool config", lambda: promtool("check", "config", "--syntax-only", file=config)
    for command in (["docker", "compose"], ["docker-compose"]):
        yield f"{' '.join(command)} config", partial(compose, command)


def kustomizations() -> list[Path]:
    """Return the folders with a kustomization, except bases and components."""
    home = ROOT / "deploy/kubernetes"
    folders = [file.parent.relative_to(ROOT) for file in home.rglob("kustomization.yaml")]
    return sorted(folder for folder in folders if not {"base", "components"} & set(folder.parts))


def render(folder: Path, file: Path) -> str:
    """Write all manifests of a folder to a file."""
    text = run([_kubectl(), "kustomize", str(ROOT / folder)])
    file.write_text(text)
    return f"{len(documents(file))} resources"


def _kubectl() -> str:
    """Return the installed kubectl, or else the one of deploy/check-requirements.txt."""
    return shutil.which("kubectl") or tool("kubectl")


def validate(file: Path, version: str) -> str:
    """Validate built-in kinds strictly; `custom_resources` validates the others."""
    _rendered(file)
    output = run([tool("kubernetes-validate"), "--strict", "-k", version, str(file)])
    custom_kinds = {
        line.split(" for kind ")[1].split()[0] for line in output.splitlines() if "WARN" in line
    }
    unknown = custom_kinds - {schema.stem for schema in SCHEMAS.glob("*.json")}
    if unknown:
        raise FailedError(f"no schema in tests/deploy/schemas for: {', '.join(sorted(unknown))}")
    return f"{output.count('INFO')} resources pass"


def custom_resources(file: Path, scratch: Path) -> str:
    """Validate resources of KEDA and the Prometheus operator against tests/deploy/schemas."""
    _rendered(file)
    count = 0
    for resource in documents(file):
        schema = SCHEMAS / f"{resource['kind']}.json"
        if schema.exists():
            instance = scratch / "instance.json"
            instance.write_text(json.dumps(resource))
            run([tool("jsonschema"), "-i", str(instance), str(schema)])
            count += 1
    return f"{count} resources pass"


def checkov(framework: str, files: Sequence[Path]) -> str:
    """Run checkov; deploy/checkov.yaml lists accepted findings with their reasons."""
    if not files:
        raise SkippedError("nothing was rendered")
    config = ["--config-file", str(ROOT / "deploy/checkov.yaml"), "--framework", framework]
    output = run([tool("checkov"), *config, "--file", *map(str, files), "--output", "json"])
    report = json.loads(output[output.index("{") :])
    return f"{report['summary']['passed']} checks pass"


def locks() -> str:
    """Check that the images' locks have the versions of constraints.txt and hashes."""
    pins = read_pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    findings = [
        f"{image}.lock: {problem}"
        for image in IMAGES
        for problem in lock_problems(
            (ROOT / f"deploy/docker/{image}.lock").read_text(encoding="utf-8"),
            requirements(image),
            pins,
        )
    ]
    if findings:
        raise FailedError("\n".join([*findings, "run `make lock`"]))
    return f"{len(IMAGES)} locks agree with constraints.txt"


def digests() -> str:
    """List images of others that are named by a tag, which may come to mean another image."""
    files = [ROOT / "docker-compose.yml", *(ROOT / "deploy/kubernetes").rglob("*.yaml")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    names = set(re.findall(r"_IMAGE:-([^}]+)\}|^ +image: ([\w./:@-]+)$", text, re.MULTILINE))
    others = sorted({a or b for a, b in names if not (a or b).startswith("tcan-")})
    if loose := [name for name in others if "@sha256:" not in name]:
        raise SkippedError(f"before a release, pin by digest: {', '.join(loose)}")
    return f"{len(others)} images"


def promtool(*words: str, file: Path) -> str:
    """Run promtool on a file."""
    path = shutil.which("promtool")
    if path is None:
        raise SkippedError("promtool is not installed; Debian: apt install prometheus")
    return run([path, *words, file.name], cwd=file.parent).split("SUCCESS")[-1].strip(": \n")


def compose(command: list[str]) -> str:
    """Check that this Compose accepts the file, with all profiles."""
    if (
        shutil.which(command[0]) is None
        or subprocess.run([*command, "version"], capture_output=True).returncode
    ):
        raise SkippedError(f"{' '.join(command)} is not installed")
    profiles = [word for name in ("cpu", "gpu", "monitoring") for word in ("--profile", name)]
    words = [*command, "--file", str(ROOT / "docker-compose.yml"), *profiles, "config"]
    return f"{len(yaml.safe_load(run(words))['services'])} services"


def required_secrets() -> set[str]:
    """Return the variables without which Compose does not read its file; any value will do."""
    return set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text("utf-8")))


def documents(file: Path) -> list[dict[str, object]]:
    """Read the resources of a rendered file."""
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def tool(name: str) -> str:
    """Return the path of a program of deploy/check-requirements.txt."""
    return installed(TOOLS, name)


def _rendered(file: Path) -> None:
    if not file.exists():
        raise SkippedError("nothing was rendered")


def run(command: Sequence[str], summary: str | None = None, cwd: Path = ROOT) -> str:
    """Run a program and return `summary` or its output. Raises FailedError with its output."""
    process = run_program(command, dict.fromkeys(required_secrets(), "x" * 40), cwd)
    return process.stdout if summary is None else summary


if __name__ == "__main__":
    sys.exit(main())
