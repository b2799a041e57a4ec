"""`python tools/prometheus_rule.py`: generate the Prometheus operator's resource from rules.yml.

Kustomize cannot insert a file into another. Standard library only; a test checks that the files
agree.
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
    """Return the YAML of the resource with these rules."""
    return HEAD + indent(rules, "  ")


if __name__ == "__main__":
    RESOURCE.write_text(resource(RULES.read_text("utf-8")), "utf-8")
