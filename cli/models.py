"""`tcan models`: presets and their weights."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    models = typer.Typer(
        help="List, show and verify presets and their weights.", no_args_is_help=True
    )
    models.command("list")(list_presets)
    models.command()(show)
    models.command()(verify)
    app.add_typer(models, name="models")


def list_presets() -> None:
    """List the shipped presets."""
    from tcan_core.models.presets import load_preset, shipped_presets

    for name in shipped_presets():
        typer.echo(f"{name}: {load_preset(name).description}")


def show(
    name: Annotated[str, typer.Argument(help="Name of a preset, or path of its YAML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a preset's parts: parameters, source, and whether the weights are at hand."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from tcan_core.models.inventory import inventory
    from tcan_core.models.presets import load_preset

    preset = load_preset(name)
    parts = inventory(preset)
    if as_json:
        typer.echo(json.dumps({"parts": [asdict(part) for part in parts]}, indent=2))
        return
    table = Table(
        "part", "parameters", "at hand", "source", title=f"{preset.name}: {preset.description}"
    )
    for part in parts:
        table.add_row(
            part.name, f"{part.parameters:,}", "yes" if part.present else "no", part.source
        )
    Console().print(table)


def verify(
    name: Annotated[str, typer.Argument(help="Name of a preset, or path of its YAML.")],
) -> None:
    """Check the sha256 of every file of a preset."""
    from tcan_core.errors import WeightsError
    from tcan_core.models.inventory import damaged_parts
    from tcan_core.models.presets import load_preset

    preset = load_preset(name)
    wrong = damaged_parts(preset)
    if wrong:
        raise WeightsError(f"preset {name}: " + "; ".join(wrong.values()))
    files = [part for part in preset.parts if preset.part_file(part)]
    typer.echo(f"preset {name}: {len(files)} files are as the preset says")
