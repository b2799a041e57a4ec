"""`tcan doctor`: checks a deployment and says how to fix problems."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.checkup import clock, detector, device, objects, redis, workers
from cli.checkup.finding import Finding, Level
from cli.serve import read_settings
from service.errors import SettingsError, did_you_mean
from service.settings import Settings

AREAS = ("redis", "objects", "clock", "workers", "device", "weights", "detector")


def doctor(
    only: Annotated[str, typer.Option(help="Areas to check, separated by commas.")] = ",".join(
        AREAS
    ),
    fix: Annotated[
        bool, typer.Option("--mend", help="Create the bucket if it is missing.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of an embedded service.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check Redis, the object store, clocks, workers, the device, the weights and the detector.

    Exits with 1 when a check found an error, with 0 otherwise.
    """
    findings: list[tuple[str, Finding]] = []
    for area, finding in run_checks(read_areas(only), read_settings(data), fix):
        if not as_json:
            is_repeated = any(finding.fix == shown.fix for _, shown in findings)
            typer.echo("\n".join(lines(area, finding, is_repeated=is_repeated)))
        findings.append((area, finding))
    if as_json:
        typer.echo(json_of(findings))
    raise typer.Exit(int(any(finding.level is Level.ERROR for _, finding in findings)))


def read_areas(text: str) -> list[str]:
    """Return the areas of a comma-separated list. Raises SettingsError."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AREAS:
            raise SettingsError(
                f"--only {name!r}: unknown area{did_you_mean(name, AREAS)}; allowed are "
                f"{', '.join(AREAS)}"
            )
    return names


def run_checks(
    areas: Sequence[str], settings: Settings, fix: bool
) -> Iterator[tuple[str, Finding]]:
    """Yield each finding with its area as soon as its check is done."""
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "redis": lambda: redis.check(settings),
        "objects": lambda: objects.check(settings, fix=fix),
        "clock": lambda: clock.check(settings),
        "workers": lambda: workers.check(settings),
        "device": lambda: device.check_device(settings),
        "weights": lambda: device.check_weights(settings),
        "detector": lambda: detector.check(settings),
    }
    for area in areas:
        for finding in checks[area]():
            yield area, finding


def lines(area: str, finding: Finding, *, is_repeated: bool) -> list[str]:
    """Return a finding as one line, and its fix as another, in words only if it is a new one."""
    head = f"{finding.level:8}{area} {finding.name}: {finding.detail}"
    fix = "as above" if is_repeated else finding.fix
    return [head, f"{'':8}  fix: {fix}"] if finding.fix else [head]


def json_of(findings: Sequence[tuple[str, Finding]]) -> str:
    """Return one JSON object with all findings and the number of each level."""
    fields = []
    for area, finding in findings:
        values = asdict(finding)
        values["mend"] = values.pop("fix")  # the key that scripts know
        fields.append({"area": area, **values})
    counts = Counter(finding.level for _, finding in findings)
    return json.dumps({"findings": fields, "counts": counts}, indent=2)
