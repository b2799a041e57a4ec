"""Consistency of the files under deploy/ with the code."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from starlette.testclient import TestClient

from cli.main import COMMANDS
from deploy.docker.requirements import requirements
from service.settings import OTHER_VARIABLES, PREFIX, Settings
from tests.deploy.test_env import example_env
from tests.test_packaging import PACKAGES, imported_modules
from tools.image_locks import normalized

# Commands available in the gateway's image; the others need the model.
GATEWAY_COMMANDS = ("doctor", "health", "jobs", "keys", "main", "serve")
# Used without an import: by uvicorn, and data files that are served.
USED_INDIRECTLY = {"httptools", "uvloop", "fastapi-offline"}
# Variables of the images and of Compose, not of the service.
COMPOSE_ONLY = re.compile(
    r"TCAN_(UID|GID|BIND|PORT|VERSION|REVISION|CPU_INDEX|BUILD_NETWORK|REDIS_PASSWORD|REDIS_MEMORY"
    r"|\w+_(IMAGE|LIMIT|PORT)|GRAFANA_PASSWORD)"
)


def lines(file: Path) -> list[str]:
    """Read the lines of a file without comments."""
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def imports(files: Iterable[Path]) -> dict[str, set[str]]:
    """Return the modules that the files import, with the distributions that provide them."""
    distributions = packages_distributions()
    names = {
        name for file in files for name in imported_modules(ast.parse(file.read_text("utf-8")))
    }
    first_party = {*PACKAGES, "tcan_client", "torch"}
    return {
        name: {normalized(one) for one in distributions[name]}
        for name in names & set(distributions) - first_party
    }


def with_media_modules(repository: Path, files: list[Path]) -> set[Path]:
    """Return the files and the modules of `media` that they import, directly or not."""
    all_files, new = set(files), set(files)
    while new:
        text = "".join(file.read_text("utf-8") for file in new)
        lines_of = re.findall(r"^ *from (media[\w.]*) import (\w+)", text, re.MULTILINE)
        named = {repository.joinpath(*package.split(".")) for package, _ in lines_of}
        named |= {repository.joinpath(*package.split("."), name) for package, name in lines_of}
        new = {path.with_suffix(".py") for path in named} - all_files
        new = {path for path in new if path.exists()}
        all_files |= new
    return all_files


def test_gateway_requirements_equal_its_imports(repository: Path) -> None:
    files = [*(repository / "service").rglob("*.py")]
    files += [*(repository / "cli/checkup").rglob("*.py")]
    files += [repository / f"cli/{name}.py" for name in GATEWAY_COMMANDS]
    imported = imports(with_media_modules(repository, files))
    requirement_lines = {
        normalized(line) for line in lines(repository / "deploy/docker/gateway-requirements.txt")
    }
    assert {name for name, sources in imported.items() if not sources & requirement_lines} == set()
    used = {one for sources in imported.values() for one in sources} | USED_INDIRECTLY
    assert requirement_lines - used == set()


def test_images_install_pinned_packages(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    cpu, extras = requirements("worker-cpu"), project["optional-dependencies"]
    base = [line for line in project["dependencies"] if normalized(line) != "tcan-client"]
    assert cpu == [*base, *extras["dwpose"], *extras["otel"]]
    assert requirements("worker-cuda") == [*cpu, *extras["cuda"]]
    pins = (repository / "constraints.txt").read_text().splitlines()
    assert {line for line in (*extras["dwpose"], *extras["otel"]) if line not in pins} == set()
    assert {*map(normalized, requirements("gateway"))} <= {*map(normalized, cpu)}
    with pytest.raises(SystemExit, match="it must be one of gateway, worker-cpu"):
        requirements("worker-tpu")


def test_docker_context_lists_every_copied_path(repository: Path) -> None:
    allowed = {line[1:] for line in lines(repository / ".dockerignore") if line.startswith("!")}
    copied: set[str] = set()
    for recipe in (repository / "deploy/docker").glob("*.Dockerfile"):
        for words in re.findall(r"^COPY (?!--from)(.+)$", recipe.read_text(), re.MULTILINE):
            copied |= set(words.split()[:-1])
    assert copied == allowed
    assert all((repository / name).exists() for name in allowed)


def test_compose_variables_are_documented(repository: Path) -> None:
    used = set(re.findall(r"\$\{(\w+)", (repository / "docker-compose.yml").read_text()))
    assert used - set(example_env(repository)) == set()


def test_services_set_only_existing_settings(compose: dict[str, Any]) -> None:
    existing = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {*OTHER_VARIABLES}
    for name, service in compose["services"].items():
        names = {key.split("__")[0] for key in service.get("environment", {})}
        assert {key for key in names if key.startswith(PREFIX)} <= existing, name


def test_commands_in_deployment_files_exist(repository: Path, compose: dict[str, Any]) -> None:
    called = {
        service["command"][0]
        for service in compose["services"].values()
        if "tcan-" in service["image"] and "command" in service
    }
    for file in (repository / "deploy/kubernetes").rglob("*.yaml"):
        called |= set(re.findall(r"args: \[([a-z]+),", file.read_text()))
        called |= {words for words in re.findall(r"command: \[tcan, ([a-z]+),", file.read_text())}
    assert called >= {"gateway", "worker", "doctor", "models", "health"}
    assert called <= {command.name for command in COMMANDS}


def test_compose_services_are_restricted(compose: dict[str, Any]) -> None:
    own_services = {
        name: one for name, one in compose["services"].items() if "tcan-" in one["image"]
    }
    assert len(own_services) == 8
    for name, service in own_services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["user"].startswith("${TCAN_UID:-10001}"), name


def test_pods_are_restricted(repository: Path) -> None:
    folder = repository / "deploy/kubernetes"
    documents = [
        (file, document)
        for file in folder.rglob("*.yaml")
        for document in yaml.safe_load_all(file.read_text())
        if document and document.get("kind") in ("Deployment", "Job", "StatefulSet")
    ]
    assert len(documents) == 9
    for file, document in documents:
        pod = document["spec"]["template"]["spec"]
        assert pod["serviceAccountName"].startswith("tcan"), file
        assert pod["automountServiceAccountToken"] is False, file
        assert pod["enableServiceLinks"] is False, file
        assert pod["securityContext"]["runAsNonRoot"] is True, file
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, file
            assert context["allowPrivilegeEscalation"] is False, file
            assert context["capabilities"] == {"drop": ["ALL"]}, file


def metric_names(texts: list[str]) -> set[str]:
    """Return the names of the service's own metrics."""
    names = {name for text in texts for name in re.findall(r"\btcan_[a-z_0-9]+", text)}
    return {re.sub(r"_(bucket|total|sum|count)$", "", name) for name in names}


def test_rules_panels_and_scalers_use_existing_metrics(
    repository: Path, gateway_metrics: str
) -> None:
    monitoring = repository / "deploy/monitoring"
    dashboard = json.loads((monitoring / "grafana/dashboards/tcan.json").read_text())
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    scaling = (repository / "deploy/kubernetes/base/scaling.yaml").read_text()
    used_metrics = metric_names([(monitoring / "rules.yml").read_text(), scaling, *expressions])
    exported_metrics = metric_names(re.findall(r"^# TYPE (\w+)", gateway_metrics, re.MULTILINE))
    assert len(used_metrics) > 10
    assert used_metrics <= exported_metrics


@pytest.fixture
def gateway_metrics(redis_url: str, tmp_path: Path) -> str:
    """Return the metrics of a gateway."""
    from service.api.app import create_app

    settings = Settings.model_validate({"redis_url": redis_url, "data": tmp_path})
    with Redis.from_url(redis_url) as redis:
        redis.ping()
    with TestClient(create_app(settings)) as client:
        client.get("/healthz")
        return client.get("/metrics").text


def test_alerts_and_runbooks_match(repository: Path) -> None:
    rules = yaml.safe_load((repository / "deploy/monitoring/rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    referenced = {rule["annotations"]["runbook"] for rule in alerts}
    pages = {
        str(page.relative_to(repository))
        for page in (repository / "docs/runbooks").glob("*.md")
        if page.name != "README.md"
    }
    assert referenced == pages
    index = (repository / "docs/runbooks/README.md").read_text()
    assert all(rule["alert"] in index for rule in alerts)
    rule_tests = (repository / "deploy/monitoring/rules_test.yml").read_text()
    tested_alerts = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:", rule_tests))
    assert {rule["alert"] for rule in alerts} == tested_alerts
