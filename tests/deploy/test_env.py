"""Each service of the compose file gets exactly the settings from .env that its code reads."""

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
from service.http_limits import HttpLimits
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


def example_env(repository: Path) -> dict[str, str]:
    """Read all rows of .env.example, commented defaults included."""
    text = (repository / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z]\w*)=(.*)$", text, re.MULTILINE))


def resolve(value: str | None, name: str, env: dict[str, str]) -> str | None:
    """Return a container's value as Compose interpolates it; None if the variable is not passed."""
    if value is None:
        return env.get(name)

    def substitute(match: re.Match[str]) -> str:
        text, default = env.get(match[1]), (match[2] or "").removeprefix(":-")
        return text or ("" if default.startswith(":?") else default)

    return re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", substitute, value)


def tcan_variables(service: dict[str, Any], env: dict[str, str]) -> dict[str, str]:
    """Return the TCAN_* variables of a service's container."""
    variables = {
        name: resolve(value, name, env)
        for name, value in (service.get("environment") or {}).items()
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES
    }
    return {name: value for name, value in variables.items() if value is not None}


# Example values of secrets.
SECRETS = {
    name: "x" * 40 for name in ("TCAN_REDIS_PASSWORD", "TCAN_WEBHOOK_KEY", "TCAN_METRICS_TOKEN")
}
PARTS = ("gateway", "worker", "prepare", "worker-cpu", "prepare-cpu")


@pytest.mark.parametrize("part", PARTS)
def test_example_env_shows_every_default(
    part: str, repository: Path, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = compose["services"][part]
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    def load(env: dict[str, str]) -> Settings:
        with monkeypatch.context() as patch:
            for name, value in tcan_variables(service, env).items():
                patch.setenv(name, value)
            return load_settings()

    assert load({**example_env(repository), **SECRETS}) == load(SECRETS)


def test_env_reaches_every_setting(repository: Path, compose: dict[str, Any]) -> None:
    """Settings that the compose file itself fixes are listed."""
    fixed_here = {"data", "weights", "s3_region", "s3_ca"}
    nested: dict[str, type[BaseModel]] = {
        "runtime": RuntimeSettings,
        "limits": InputLimits,
        "http": HttpLimits,
    }
    expected = {name for name in Settings.model_fields if name not in {*fixed_here, *nested}}
    expected |= {f"{name}__{one}" for name, kind in nested.items() for one in kind.model_fields}
    passed_names = {name for part in PARTS for name in compose["services"][part]["environment"]}
    assert {f"{PREFIX}{name.upper()}" for name in expected} - passed_names == set()
    documented = example_env(repository)
    fixed = {"TCAN_REDIS_URL", "TCAN_S3_ENDPOINT_URL", "TCAN_DEVICE"}
    assert passed_names - fixed - set(documented) == set()


SIGNING = {"c2pa", "c2pa_cert", "c2pa_key", "watermark", "watermark_key"}
# Settings that a part's code reads but does not get: folders inside the images, the region and the
# certificate of an S3 without them, links that workers do not make; signing and memory limit where
# nothing is rendered; devices without a GPU.
NOT_PASSED = {
    "gateway": {"data", "s3_region", "s3_ca"},
    "worker": {"data", "weights", "s3_region", "s3_ca", "link_ttl_s", "s3_public_endpoint_url"}
    | {"public_url"},
}
NOT_PASSED["worker-cpu"] = NOT_PASSED["worker"] | {"devices"}
NOT_PASSED["prepare"] = NOT_PASSED["prepare-cpu"] = (
    NOT_PASSED["worker-cpu"] | SIGNING | {"memory_limit"}
)


def settings_read_by(part: str, repository: Path) -> set[str]:
    """Return the settings that a part's code reads."""
    gateway = part == "gateway"
    command = serve.gateway if gateway else serve.worker
    folders = ("service",) if gateway else ("worker", "service/stores")
    files = [file for folder in folders for file in (repository / folder).rglob("*.py")]
    texts = [inspect.getsource(command), *(file.read_text("utf-8") for file in files)]
    names = {name for text in texts for name in re.findall(r"\bsettings\.(\w+)", text)}
    if "all_devices" in names:
        names |= {"device", "devices"}
    if "all_cors_origins" in names:
        names.add("cors_origins")
    return (names & set(Settings.model_fields)) | {"redis_url"}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_gets_only_the_variables_it_reads(
    part: str, repository: Path, compose: dict[str, Any]
) -> None:
    """A variable that is not passed to a part has no effect on it."""
    names = compose["services"][part]["environment"]
    passed_names = {name.lower().removeprefix(PREFIX.lower()).split(NESTED)[0] for name in names}
    assert passed_names == settings_read_by(part, repository) - NOT_PASSED[part]


def test_raised_limit_does_not_stop_workers(
    repository: Path, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the gateway checks that its disk budget holds the largest request."""
    raised = {"TCAN_LIMITS__MAX_DRIVING_BYTES": str(2**32), "TCAN_SPOOL_BYTES": str(2**33)}
    for part in PARTS:
        with monkeypatch.context() as patch:
            for name, value in tcan_variables(
                compose["services"][part], {**SECRETS, **raised}
            ).items():
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
    values = [operation["value"] for operation in yaml.safe_load(patch["patch"])]
    assert [one["name"] for one in values] == [
        "TCAN_C2PA_CERT",
        "TCAN_C2PA_KEY",
        "signing",
        "signing",
    ]
    assert all(one["value"].startswith(values[2]["mountPath"]) for one in values[:2])


def test_parts_that_pull_weights_get_the_preset(repository: Path, compose: dict[str, Any]) -> None:
    """Each profile has its own preset."""
    for part, worker in (("models", "worker"), ("models-cpu", "worker-cpu")):
        pulls, renders = compose["services"][part], compose["services"][worker]
        preset = renders["environment"]["TCAN_PRESET"]
        assert pulls["command"] == ["models", "pull", preset]
        assert tcan_variables(pulls, {"TCAN_DETECTOR": "dwpose"}) == {"TCAN_DETECTOR": "dwpose"}
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
