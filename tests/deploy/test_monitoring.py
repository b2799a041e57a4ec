"""Monitoring on a cluster uses the same rules and dashboards as on one host."""

from __future__ import annotations

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
