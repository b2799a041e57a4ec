"""What .env says reaches the parts that it is for, and no others."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from cli import serve
from service.input_limits import InputLimits
from service.settings import (
    NESTED,
    OTHER_VARIABLES,
    PREFIX,
    RuntimeSettings,
    Settings,
    load_settings,
)
from service.submission.disk_budget import open_disk_budget


def example(repository: Path) -> dict[str, str]:
    """Every row of .env.example, those that show a default too."""
    text = (repository / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z]\w*)=(.*)$", text, re.MULTILINE))


def resolved(value: str | None, name: str, env: dict[str, str]) -> str | None:
    """What Compose gives a container for a value of the file; None where it gives nothing."""
    if value is None:
        return env.get(name)

    def put(found: re.Match[str]) -> str:
        given, default = env.get(found[1]), (found[2] or "").removeprefix(":-")
        return given or ("" if default.startswith(":?") else default)

    return re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", put, value)


def given(service: dict[str, Any], env: dict[str, str]) -> dict[str, str]:
    """The TCAN_* variables of a service's container."""
    found = {
        name: resolved(value, name, env)
        for name, value in (service.get("environment") or {}).items()
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES
    }
    return {name: value for name, value in found.items() if value is not None}


# Example values of secrets.
FILLED = {name: "x" * 40 for name in ("TCAN_REDIS_PASSWORD", "TCAN_WEBHOOK_KEY")}
PARTS = ("gateway", "worker", "prepare", "worker-cpu", "prepare-cpu")


@pytest.mark.parametrize("part", PARTS)
def test_example_env_shows_every_default(
    part: str, repository: Path, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = compose["services"][part]
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def started(env: dict[str, str]) -> Settings:
        with monkeypatch.context() as patch:
            for name, value in given(service, env).items():
                patch.setenv(name, value)
            return load_settings()

    assert started({**example(repository), **FILLED}) == started(FILLED)


def test_env_reaches_every_setting(repository: Path, compose: dict[str, Any]) -> None:
    """An operator edits .env and nothing else; what the file itself says is listed."""
    own = {"data", "weights", "s3_region"}
    nested: dict[str, type[BaseModel]] = {"runtime": RuntimeSettings, "limits": InputLimits}
    wanted = {name for name in Settings.model_fields if name not in {*own, *nested}}
    wanted |= {f"{name}__{one}" for name, kind in nested.items() for one in kind.model_fields}
    passed = {name for part in PARTS for name in compose["services"][part]["environment"]}
    assert {f"{PREFIX}{name.upper()}" for name in wanted} - passed == set()
    explained = example(repository)
    fixed = {"TCAN_REDIS_URL", "TCAN_S3_ENDPOINT_URL", "TCAN_DEVICE"}
    assert passed - fixed - set(explained) == set()


SIGNING = {"c2pa", "c2pa_cert", "c2pa_key", "watermark", "watermark_key"}
# What the code reads and a part does not get: folders of the images, the region of an S3 that has
# none, links that workers do not make, and what signs; of those who do not render or have no GPU,
# what only the others use.
NOT_GIVEN = {
    "gateway": {"data", "s3_region"},
    "worker": {"data", "weights", "s3_region", "link_ttl_s", "s3_public_endpoint_url"},
}
NOT_GIVEN["worker-cpu"] = NOT_GIVEN["worker"] | {"devices"}
NOT_GIVEN["prepare"] = NOT_GIVEN["prepare-cpu"] = (
    NOT_GIVEN["worker-cpu"] | SIGNING | {"memory_limit"}
)


def read_by(part: str, repository: Path) -> set[str]:
    """The settings that a part's code reads."""
    gateway = part == "gateway"
    command = serve.gateway if gateway else serve.worker
    folders = ("service",) if gateway else ("worker", "service/stores")
    files = [file for folder in folders for file in (repository / folder).rglob("*.py")]
    texts = [inspect.getsource(command), *(file.read_text("utf-8") for file in files)]
    found = {name for text in texts for name in re.findall(r"\bsettings\.(\w+)", text)}
    if "all_devices" in found:
        found |= {"device", "devices"}
    return (found & set(Settings.model_fields)) | {"redis_url"}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_gets_only_the_variables_it_reads(
    part: str, repository: Path, compose: dict[str, Any]
) -> None:
    """A variable that is not passed to a part would leave it at the default."""
    names = compose["services"][part]["environment"]
    passed = {name.lower().removeprefix(PREFIX.lower()).split(NESTED)[0] for name in names}
    assert passed == read_by(part, repository) - NOT_GIVEN[part]


def test_raised_limit_does_not_stop_workers(
    repository: Path, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the gateway checks that its disk budget holds the largest request."""
    raised = {"TCAN_LIMITS__MAX_DRIVING_BYTES": str(2**32), "TCAN_SPOOL_BYTES": str(2**33)}
    for part in PARTS:
        with monkeypatch.context() as patch:
            for name, value in given(compose["services"][part], {**FILLED, **raised}).items():
                patch.setenv(name, value)
            settings = load_settings()
        assert settings.limits.max_driving_bytes == 2**32
        if part == "gateway":
            open_disk_budget(settings.spool_bytes, settings.limits)


def test_signing_keys_reach_only_parts_that_deliver(
    repository: Path, compose: dict[str, Any]
) -> None:
    signing = re.compile(r"signing|C2PA|TCAN_WATERMARK|tcan-provenance|tcan-watermark")
    for name, service in compose["services"].items():
        assert bool(signing.search(json.dumps(service))) is name.startswith("worker"), name
    for side in ("worker", "prepare"):
        volume = compose["services"][side]["volumes"][1]
        assert volume == f"scratch{'' if side == 'worker' else '-prepare'}:/data"
    kubernetes = repository / "deploy/kubernetes"
    for file in kubernetes.rglob("*.yaml"):
        if signing.search("".join(re.sub(r"#.*", "", file.read_text()))):
            assert file.relative_to(kubernetes).as_posix() in {
                "base/worker.yaml",
                "components/signing/kustomization.yaml",
                "overlays/gpu-signed/kustomization.yaml",
                "base/gateway.yaml",
            }
    component = (kubernetes / "components/signing/kustomization.yaml").read_text()
    [patch] = yaml.safe_load(component)["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "worker"}
    added = [operation["value"] for operation in yaml.safe_load(patch["patch"])]
    assert [one["name"] for one in added] == [
        "TCAN_C2PA_CERT",
        "TCAN_C2PA_KEY",
        "signing",
        "signing",
    ]
    assert all(one["value"].startswith(added[2]["mountPath"]) for one in added[:2])


def test_parts_that_pull_weights_get_the_preset(repository: Path, compose: dict[str, Any]) -> None:
    """The workers' preset and detector; each profile with its own preset."""
    for part, worker in (("models", "worker"), ("models-cpu", "worker-cpu")):
        pulls, renders = compose["services"][part], compose["services"][worker]
        preset = renders["environment"]["TCAN_PRESET"]
        assert pulls["command"] == ["models", "pull", preset]
        assert given(pulls, {"TCAN_DETECTOR": "dwpose"}) == {"TCAN_DETECTOR": "dwpose"}
        assert "TCAN_HUB_ENDPOINT" in pulls["environment"]
        assert "models:/models" in pulls["volumes"]
    documents = yaml.safe_load_all((repository / "deploy/kubernetes/base/models.yaml").read_text())
    [job] = [one for one in documents if one["kind"] == "Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["models", "pull", "$(TCAN_PRESET)"]
    assert container["envFrom"] == [{"configMapRef": {"name": "tcan-settings"}}]


def test_metrics_are_not_public(repository: Path) -> None:
    documents = yaml.safe_load_all((repository / "deploy/kubernetes/base/ingress.yaml").read_text())
    ingress, no_pods = documents
    first, rest = ingress["spec"]["rules"][0]["http"]["paths"]
    assert (first["path"], rest["path"]) == ("/metrics", "/")
    assert first["backend"]["service"]["name"] == no_pods["metadata"]["name"]
    assert "selector" not in no_pods["spec"]
