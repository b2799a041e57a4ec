"""`python tools/prometheus_rule.py`: the alert rules as Prometheus' operator reads them.

Prometheus itself reads rules.yml, and kustomize takes no file into the middle of another. Standard
library only; a test holds the two files together.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

RULES = Path(__file__).resolve().parents[1] / "deploy/monitoring/rules.yml"
RESOURCE = RULES.with_name("prometheus-rule.yaml")
HEAD = """\
# Made from rules.yml by tools/prometheus_rule.py.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tcan
spec:
"""


def resource(rules: str) -> str:
    """The YAML of the resource that holds these rules."""
    return HEAD + indent(rules, "  ")


if __name__ == "__main__":
    RESOURCE.write_text(resource(RULES.read_text("utf-8")), "utf-8")
