"""Monitoring on a cluster uses the same rules and dashboards as on one host."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.prometheus_rule import RESOURCE, RULES, resource


def read(file: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(file.read_text("utf-8")) if one]


def test_operator_rules_equal_prometheus_rules() -> None:
    hint = "run `python tools/prometheus_rule.py`"
    assert RESOURCE.read_text("utf-8") == resource(RULES.read_text("utf-8")), hint
    [generated], [rules] = read(RESOURCE), read(RULES)
    assert generated["spec"] == rules


def test_operator_overlay_has_rules_and_dashboard(repository: Path) -> None:
    monitoring = repository / "deploy/monitoring"
    [component] = read(monitoring / "kustomization.yaml")
    assert component["resources"] == [RESOURCE.name]
    [dashboards] = component["configMapGenerator"]
    files = [monitoring / file for file in dashboards["files"]]
    assert files == [*(monitoring / "grafana/dashboards").glob("*.json")]
    overlay = repository / "deploy/kubernetes/overlays/gpu"
    [kustomization] = read(overlay / "kustomization.yaml")
    assert (overlay / kustomization["components"][0]).resolve() == monitoring


def test_every_metrics_port_has_a_monitor(repository: Path) -> None:
    """Service and ServiceMonitor are matched by their labels."""
    files = [*(repository / "deploy/kubernetes").rglob("*.yaml")]
    resources = [document for file in files for document in read(file) if "kind" in document]
    services = {
        (str(one["metadata"]["labels"]), port["name"])
        for one in resources
        if one["kind"] == "Service" and "labels" in one["metadata"]
        for port in one["spec"]["ports"]
    }
    monitored = {
        (str(one["spec"]["selector"]["matchLabels"]), endpoint["port"])
        for one in resources
        if one["kind"] == "ServiceMonitor"
        for endpoint in one["spec"]["endpoints"]
    }
    assert len(monitored) == 2
    assert monitored <= services
    assert {port for port in services if port[1] == "metrics"} <= monitored


def test_scaler_without_metrics_keeps_workers(repository: Path) -> None:
    """A missing series is not zero, and without Prometheus the workers stay."""
    scalers = read(repository / "deploy/kubernetes/base/scaling.yaml")
    assert len(scalers) == 2
    for scaler in scalers:
        assert scaler["spec"]["fallback"]["behavior"] == "currentReplicasIfHigher"
        for trigger in scaler["spec"]["triggers"]:
            assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_compose_keeps_metrics_and_monitoring_private(
    repository: Path, compose: dict[str, Any]
) -> None:
    services = compose["services"]
    gateway, prometheus = services["gateway"]["environment"], services["prometheus"]
    assert gateway["TCAN_PUBLIC_METRICS"] is None  # the service's default: no
    required = "${TCAN_METRICS_TOKEN:?set it in .env}"
    assert gateway["TCAN_METRICS_TOKEN"] == required
    assert prometheus["environment"] == {"TCAN_METRICS_TOKEN": required}
    password = services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert password == "${TCAN_GRAFANA_PASSWORD:?set it in .env}"
    ports = [services[name]["ports"] for name in ("prometheus", "grafana")]
    assert all(port.startswith("127.0.0.1:") for [port] in ports)


def test_prometheus_reads_the_token_that_its_container_writes(
    repository: Path, compose: dict[str, Any], tmp_path: Path
) -> None:
    """Run the container's entry point with folders of this test in place of the image's."""
    [config] = read(repository / "deploy/monitoring/prometheus.yml")
    [scrape] = [one for one in config["scrape_configs"] if one["job_name"] == "tcan"]
    token_file = Path(scrape["authorization"]["credentials_file"])
    prometheus = compose["services"]["prometheus"]
    # The one folder in memory that every container has, and every user may write to.
    assert token_file.parent == Path("/dev/shm")
    shell, flag, script, name = prometheus["entrypoint"]
    script = script.replace("$$", "$").replace(str(token_file.parent), str(tmp_path))
    script = script.replace("/bin/prometheus", "/bin/echo")
    done = subprocess.run(
        [shell, flag, script, name, *prometheus["command"]],
        env={"TCAN_METRICS_TOKEN": "a $token of 'any' kind"},
        capture_output=True,
        text=True,
    )
    assert (done.stderr, done.stdout.split()) == ("", prometheus["command"])
    assert (tmp_path / token_file.name).read_text() == "a $token of 'any' kind"
