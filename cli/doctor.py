"""`tcan doctor`: looks at a deployment and says how to mend what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.errors import SettingsError

if TYPE_CHECKING:
    from cli.checkup.finding import Finding
    from service.settings import Settings

AREAS = ("redis", "objects", "clock", "workers", "device", "weights", "detector")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


def doctor(
    only: Annotated[str, typer.Option(help="Areas to look at, with commas.")] = ",".join(AREAS),
    mend: Annotated[bool, typer.Option("--mend", help="Make the bucket if it is missing.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder of an embedded service.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at Redis, the object store, clocks, workers, the device, the weights and the detector.

    Ends with 1 when something is an error, with 0 otherwise.
    """
    from cli.checkup.finding import Level
    from cli.serve import read_settings

    findings: list[Finding] = []
    for finding in look(read_areas(only), read_settings(data), mend):
        findings.append(finding)
        if not as_json:
            typer.echo("\n".join(lines(finding)))
    if as_json:
        typer.echo(json_of(findings))
    raise typer.Exit(int(any(finding.level is Level.ERROR for finding in findings)))


def read_areas(text: str) -> list[str]:
    """The areas of a list with commas. Raises SettingsError."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AREAS:
            raise SettingsError(f"--only {name!r}: the areas are {', '.join(AREAS)}")
    return names


def look(areas: Sequence[str], settings: Settings, mend: bool) -> Iterator[Finding]:
    """What is found, as it is found."""
    from cli.checkup import clock, detector, device, objects, redis, workers

    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "redis": lambda: redis.look(settings),
        "objects": lambda: objects.look(settings, mend=mend),
        "clock": lambda: clock.look(settings),
        "workers": lambda: workers.look(settings),
        "device": lambda: device.look_at_device(settings),
        "weights": lambda: device.look_at_weights(settings),
        "detector": lambda: detector.look(settings),
    }
    for area in areas:
        yield from looks[area]()


def lines(finding: Finding) -> list[str]:
    """A finding in one line, and how to mend it in another."""
    head = f"{finding.level:8}{finding.area} {finding.name}: {finding.detail}"
    return [head, f"{'':8}  mend: {finding.mend}"] if finding.mend else [head]


def json_of(findings: Sequence[Finding]) -> str:
    """One JSON object: all findings, and how many of each level."""
    import json
    from collections import Counter
    from dataclasses import asdict

    counts = Counter(finding.level for finding in findings)
    return json.dumps({"findings": [asdict(one) for one in findings], "counts": counts}, indent=2)
