"""`make check-deploy`: what can be known of the files under deploy/ without a cluster.

Each check is one program's verdict. A program that is not there is no failure: the check is listed
as skipped, with the reason, and once more at the end. Standard library and PyYAML only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".venv-deploy" / "bin"
SCHEMAS = ROOT / "tests/deploy/schemas"
# The oldest and the newest that are held to; what lies between is checked too.
KUBERNETES = ("1.33.0", "1.34.0", "1.35.0", "1.36.0", "1.37.0")
# Anything, as long as it is there: the compose file refuses to run without them.
SECRETS = ("TCAN_REDIS_PASSWORD", "TCAN_S3_ACCESS_KEY", "TCAN_S3_SECRET_KEY", "TCAN_WEBHOOK_KEY")


class SkippedError(Exception):
    """A check cannot be done here; the message says why."""


class FailedError(Exception):
    """A check found something; the message holds it."""


def main() -> int:
    """Do every check, print a line for each; 1 when one failed."""
    failures = 0
    skipped: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, check in checks(Path(scratch)):
            began_s = time.monotonic()
            try:
                told = f"ok       {name}: {check()}"
            except SkippedError as reason:
                told = f"skipped  {name}: {reason}"
                skipped.setdefault(str(reason), []).append(name)
            except FailedError as found:
                told = f"FAILED   {name}:\n{found}"
                failures += 1
            print(f"{told} ({time.monotonic() - began_s:.1f} s)", flush=True)
    for why, names in skipped.items():
        print(f"NOT CHECKED, {why}: {', '.join(names)}")
    return min(failures, 1)


def checks(scratch: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Names of the checks, and what does them, in an order in which later ones may use files."""
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
    recipes = sorted((ROOT / "deploy/docker").glob("*.Dockerfile"))
    yield "checkov, images", lambda: checkov("dockerfile", recipes)
    yield "hadolint", lambda: run([tool("hadolint"), *map(str, recipes)], f"{len(recipes)} images")
    rules = ROOT / "deploy/monitoring"
    yield "promtool check", lambda: promtool("check", "rules", rules / "rules.yml")
    yield "promtool test", lambda: promtool("test", "rules", rules / "rules_test.yml")
    yield "promtool config", lambda: promtool("check", "config", rules / "prometheus.yml")
    for command in (["docker", "compose"], ["docker-compose"]):
        yield f"{' '.join(command)} config", partial(compose, command)


def kustomizations() -> list[Path]:
    """Folders that are applied: all with a kustomization, but for bases and components."""
    home = ROOT / "deploy/kubernetes"
    folders = [file.parent.relative_to(ROOT) for file in home.rglob("kustomization.yaml")]
    return sorted(folder for folder in folders if not {"base", "components"} & set(folder.parts))


def render(folder: Path, file: Path) -> str:
    """Write all manifests of a folder to a file."""
    text = run([_kubectl(), "kustomize", str(ROOT / folder)])
    file.write_text(text)
    return f"{len(documents(file))} resources"


def _kubectl() -> str:
    """The machine's own, else the one of deploy/check-requirements.txt."""
    return shutil.which("kubectl") or tool("kubectl")


def validate(file: Path, version: str) -> str:
    """Kubernetes' own kinds, strictly; others are for `custom_resources`."""
    _rendered(file)
    told = run([tool("kubernetes-validate"), "--strict", "-k", version, str(file)])
    strange = {
        line.split(" for kind ")[1].split()[0] for line in told.splitlines() if "WARN" in line
    }
    unknown = strange - {schema.stem for schema in SCHEMAS.glob("*.json")}
    if unknown:
        raise FailedError(f"no schema is known for: {', '.join(sorted(unknown))}")
    return f"{told.count('INFO')} resources pass"


def custom_resources(file: Path, scratch: Path) -> str:
    """Resources of KEDA and of Prometheus' operator, against the schemas of the tests."""
    _rendered(file)
    checked = 0
    for resource in documents(file):
        schema = SCHEMAS / f"{resource['kind']}.json"
        if schema.exists():
            instance = scratch / "instance.json"
            instance.write_text(json.dumps(resource))
            run([tool("jsonschema"), "-i", str(instance), str(schema)])
            checked += 1
    return f"{checked} resources pass"


def checkov(framework: str, files: Sequence[Path]) -> str:
    """No failure that deploy/checkov.yaml does not list with its reason."""
    if not files:
        raise SkippedError("nothing was rendered")
    config = ["--config-file", str(ROOT / "deploy/checkov.yaml"), "--framework", framework]
    told = run([tool("checkov"), *config, "--file", *map(str, files), "--output", "json"])
    report = json.loads(told[told.index("{") :])
    return f"{report['summary']['passed']} checks pass"


def promtool(verb: str, what: str, file: Path) -> str:
    """Prometheus' own verdict."""
    path = shutil.which("promtool")
    if path is None:
        raise SkippedError("there is no promtool; Debian: apt install prometheus")
    return run([path, verb, what, file.name], cwd=file.parent).split("SUCCESS")[-1].strip(": \n")


def compose(command: list[str]) -> str:
    """Return whether this Compose takes the file, with all profiles."""
    if (
        shutil.which(command[0]) is None
        or subprocess.run([*command, "version"], capture_output=True).returncode
    ):
        raise SkippedError(f"there is no {' '.join(command)}")
    profiles = [word for name in ("cpu", "gpu", "monitoring") for word in ("--profile", name)]
    words = [*command, "--file", str(ROOT / "docker-compose.yml"), *profiles, "config"]
    return f"{len(yaml.safe_load(run(words))['services'])} services"


def documents(file: Path) -> list[dict[str, object]]:
    """The resources of a rendered file."""
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def tool(name: str) -> str:
    """A program of deploy/check-requirements.txt."""
    path = TOOLS / name
    if not path.exists():
        raise SkippedError(f"{name} is not in .venv-deploy")
    return str(path)


def _rendered(file: Path) -> None:
    if not file.exists():
        raise SkippedError("nothing was rendered")


def run(command: Sequence[str], told: str | None = None, cwd: Path = ROOT) -> str:
    """What a program prints, or `told`. Raises FailedError, with what it printed, when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **dict.fromkeys(SECRETS, "x" * 40)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise FailedError((done.stdout + done.stderr).strip()[-4000:])
    return done.stdout if told is None else told


if __name__ == "__main__":
    sys.exit(main())
