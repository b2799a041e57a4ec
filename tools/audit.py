"""Check the pinned packages for known vulnerabilities with pip-audit.

Exits with 0 if there are none, 1 if there are some, 3 if no vulnerability database is reachable. A
database counts as reachable if it reports a package that is known to be vulnerable.

    python tools/audit.py constraints.txt [--unreachable-is-no-error]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SERVICES = ("pypi", "osv")
# CVE-2016-10745, CVE-2019-10906 and more.
VULNERABLE = "jinja2==2.4.1\n"
UNSAFE_EXIT, UNREACHABLE_EXIT = 1, 3
# Accepted findings with their reasons, which docs/security.md lists.
ACCEPTED: dict[str, str] = {}


def main() -> int:
    """Audit the file that the command line names."""
    pins, lenient = Path(sys.argv[1]), "--unreachable-is-no-error" in sys.argv[2:]
    service = next((name for name in SERVICES if is_reachable(name)), None)
    if service is None:
        print(
            "NOT AUDITED: no vulnerability database is reachable; "
            "run 'make audit' on a machine with access to the internet"
        )
        return 0 if lenient else UNREACHABLE_EXIT
    findings = [(name, flaw) for name, flaw in audit(service, pins) if flaw not in ACCEPTED]
    for name, flaw in findings:
        print(f"{name}: {flaw}")
    print(f"audited {pins} by {service}: {len(findings)} known vulnerabilities")
    return UNSAFE_EXIT if findings else 0


def is_reachable(service: str) -> bool:
    """Return whether the service reports a known vulnerability."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(VULNERABLE)
        file.flush()
        try:
            return bool(audit(service, Path(file.name)))
        except json.JSONDecodeError:
            return False


def audit(service: str, pins: Path) -> list[tuple[str, str]]:
    """Return packages and ids of vulnerabilities. Raises JSONDecodeError without a report."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service]
    command += ["--requirement", str(pins), "--disable-pip", "--no-deps", "--format", "json"]
    process = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(process.stdout)
    return [
        (f"{package['name']} {package['version']}", str(flaw["id"]))
        for package in report["dependencies"]
        for flaw in package.get("vulns", ())
    ]


if __name__ == "__main__":
    sys.exit(main())
