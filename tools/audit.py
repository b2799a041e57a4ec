"""Known vulnerabilities of the pinned packages, by pip-audit; a database that is away is no pass.

Exits with 0 when none is known, 1 when one is, 3 when no database could be asked. Whether one can
be is found out by a package that is known to be vulnerable: a database that knows nothing of that
one knows nothing.

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
# Findings that are accepted, each with its reason; docs/security.md lists them.
ACCEPTED: dict[str, str] = {}


def main() -> int:
    """Audit the file that the command line names."""
    pins, lenient = Path(sys.argv[1]), "--unreachable-is-no-error" in sys.argv[2:]
    service = next((name for name in SERVICES if knows(name)), None)
    if service is None:
        print(
            "NOT AUDITED: no database of vulnerabilities answers from this machine; "
            "'make audit' on one with access to the internet asks it"
        )
        return 0 if lenient else UNREACHABLE_EXIT
    found = [(name, flaw) for name, flaw in audited(service, pins) if flaw not in ACCEPTED]
    for name, flaw in found:
        print(f"{name}: {flaw}")
    print(f"audited {pins} by {service}: {len(found)} known vulnerabilities")
    return UNSAFE_EXIT if found else 0


def knows(service: str) -> bool:
    """Return whether the service answers, and knows what everybody knows."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(VULNERABLE)
        file.flush()
        try:
            return bool(audited(service, Path(file.name)))
        except json.JSONDecodeError:
            return False


def audited(service: str, pins: Path) -> list[tuple[str, str]]:
    """Packages and the ids of their vulnerabilities. Raises JSONDecodeError without a report."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service]
    command += ["--requirement", str(pins), "--disable-pip", "--no-deps", "--format", "json"]
    ran = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(ran.stdout)
    return [
        (f"{package['name']} {package['version']}", str(flaw["id"]))
        for package in report["dependencies"]
        for flaw in package.get("vulns", ())
    ]


if __name__ == "__main__":
    sys.exit(main())
