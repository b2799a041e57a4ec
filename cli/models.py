"""`tcan models`: list, show, pull, import and verify presets and their weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from cli.errors import error_object, exit_code, print_error
from service.settings import load_settings
from tcan_core.errors import ParameterError, TcanError, WeightsError
from tcan_core.models.weights.hub.files import (
    FileSet,
    HubFile,
    file_set_path,
    file_sets,
    load_file_set,
)
from tcan_core.models.weights.hub.pull import damaged_files, pull_files
from tcan_core.models.weights.presets import Preset, load_preset, own_presets, shipped_presets
from tcan_core.models.weights.store import LOCK_NAME

if TYPE_CHECKING:
    from tcan_core.models.weights.importing.checking import ImportPlan
    from tcan_core.models.weights.importing.kinds import Kind

NameToPull = Annotated[
    str, typer.Argument(help="A preset, or a file set such as dwpose; see `tcan models list`.")
]
_IF_MISSING = {"refuse": "no", "leave_out": "no, left out"}
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
app = typer.Typer(
    help="List, show, pull, import and verify presets and their weights.", no_args_is_help=True
)


@app.command("list")
def list_presets() -> None:
    """List presets and file sets (detectors), shipped ones and those in the models folder."""
    for name in (*shipped_presets(), *own_presets()):
        typer.echo(f"{name}: {load_preset(name).description}")
    for name in file_sets():
        files = load_file_set(name)
        typer.echo(f"{name} (files): {files.description}; licence: {_licences(files)}")


@app.command()
def show(name: NameToPull, as_json: AsJson = False) -> None:
    """Show a preset's parts or a set's files: source, licence, whether they are installed."""
    from tcan_core.models.weights.inventory import inventory

    if file_set_path(name).exists():
        _print_files(name, as_json)
        return
    preset = load_preset(name)
    parts = inventory(preset)
    if as_json:
        typer.echo(json.dumps({"parts": [asdict(part) for part in parts]}, indent=2))
        return
    title = f"{preset.name}: {preset.description}"
    table = Table("part", "parameters", "installed", "source", "licence", title=title)
    for part in parts:
        is_installed = (
            "yes" if part.present else _IF_MISSING.get(part.absent, f"no, {part.absent} instead")
        )
        table.add_row(part.name, f"{part.parameters:,}", is_installed, part.source, part.license)
    Console().print(table)
    for part in parts:
        if part.file:
            typer.echo(f"{part.name}: {part.file}")
    _print_detector(preset.detector)


def _print_files(name: str, as_json: bool) -> None:
    file_set = load_file_set(name)
    folder = file_set.folder
    present = {file: (folder / file).is_file() for file in file_set.files}
    if as_json:
        files = [
            {"name": file, "present": present[file], **asdict(hub)}
            for file, hub in file_set.files.items()
        ]
        typer.echo(json.dumps({"files": files}, indent=2))
        return
    table = Table("file", "installed", "source", "licence", title=f"{name}: {file_set.description}")
    for file, hub in file_set.files.items():
        table.add_row(file, "yes" if present[file] else "no", hub.repo, hub.license)
    Console().print(table)


def _print_detector(detector: str) -> None:
    """Print a preset's pose detector, if that has files of its own."""
    from tcan_core.conditioning.detector_weights import has_weights
    from tcan_core.conditioning.detectors import AUTO, pulled_detector

    name = pulled_detector(detector)
    if not file_set_path(name).exists():
        return
    file_set = load_file_set(name)
    state = "installed" if has_weights(name) else f"not installed; run `tcan models pull {name}`"
    if detector.partition("@")[0] == AUTO and not has_weights(name):
        state += "; until then movenet is used"
    typer.echo(f"pose detector: {name}, licence: {_licences(file_set)}; {state}")


def _licences(files: FileSet) -> str:
    return ", ".join(files.licences) or "unknown"


@app.command()
def pull(name: NameToPull) -> None:
    """Download weights from the hub, or from the mirror TCAN_HUB_ENDPOINT.

    A preset includes the files of its pose detector, or of TCAN_DETECTOR. Interrupted downloads are
    resumed. Files must have the revision and sha256 that the preset pins, or else those of the
    first pull. A preset with all its files and nothing to pull is verified.
    """
    from tcan_core.models.weights.importing.pulling import missing_pulls, pull_preset, pullable
    from tcan_core.models.weights.inventory import count_files, damaged_parts

    if file_set_path(name).exists():
        _pull_set(name)
        return
    preset = load_preset(name)
    files = pullable(preset)
    if not files and (count := count_files(preset)):
        _print_verdict(f"preset {preset.name} has nothing to pull", damaged_parts(preset), count)
    else:
        _announce(missing_pulls(preset))
        with _bar() as bar:
            fetched = pull_preset(preset, _progress_updater(bar))
        for part, new in fetched.items():
            typer.echo(f"{part}: {'downloaded' if new else 'already installed'}")
    detector = _pulled_detector(preset)
    if detector is not None:
        _pull_set(detector)


@app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Files or folders: safetensors, ckpt, pth, bin.")
    ],
    preset: Annotated[str, typer.Option(help="Preset to import into.")] = "sd15",
    into: Annotated[
        Path | None, typer.Option(help="Output folder. Default: the preset's store.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Format of the files. Default: detected from their keys.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="Target part. UNet: denoising_unet (default) or reference_unet. LoRA: loras/NAME "
            "(default: the file's name), or lora for APPA's own."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and report without writing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import weights of other programs into a preset, and report which keys match.

    Reads diffusers folders, Civitai and LDM single files, VAEs, ControlNet v1.1, AnimateDiff
    motion modules, the official TCAN outputs and LoRAs. One mismatched key rejects its file, and
    then nothing is written. Pickles are read as weights only.
    """
    from tcan_core.models.weights.importing.importer import (
        check_files,
        reject_mismatches,
        reject_not_finite,
        write_parts,
    )

    for file in files:
        if not file.exists():
            raise ParameterError(f"{file}: there is no such file")
    chosen = load_preset(preset)
    checked = check_files(files, chosen, _kind(kind), part)
    try:
        reject_mismatches(checked)
        if dry_run:
            reject_not_finite(checked)
        else:
            write_parts(checked, into or chosen.store)
    except TcanError as error:
        if not as_json:
            _print_reports(checked)
            raise
        _print_json(checked, error=error_object(error))
        print_error(error)
        raise typer.Exit(exit_code(error)) from error
    if as_json:
        _print_json(checked)
    else:
        _print_reports(checked)


@app.command()
def verify(name: NameToPull) -> None:
    """Check the sha256 of every file of a preset and its pose detector, or of a file set.

    TCAN_DETECTOR overrides the preset's detector, as for `pull`.
    """
    from tcan_core.models.weights.inventory import count_files, damaged_parts, missing_parts

    if file_set_path(name).exists():
        _verify_set(name)
        return
    preset = load_preset(name)
    count = count_files(preset)
    _print_verdict(name, damaged_parts(preset) if count else missing_parts(preset), count)
    detector = _pulled_detector(preset)
    if detector is None:
        return
    kind = (load_settings().detector or preset.detector).partition("@")[0]
    if kind == "auto" and not _is_installed(detector):
        typer.echo(f"{detector} is not installed; {name} detects people with movenet")
    else:
        _verify_set(detector)


def _is_installed(name: str) -> bool:
    """Return whether any file of a set is installed."""
    files = load_file_set(name)
    return any((files.folder / file).exists() for file in files.files)


def _pulled_detector(preset: Preset) -> str | None:
    """Return the file set of the detector for this preset, if it has one."""
    from tcan_core.conditioning.detectors import pulled_detector

    if preset.condition == "maps":
        return None  # nothing is detected
    kind = pulled_detector(load_settings().detector or preset.detector)
    return kind if file_set_path(kind).exists() else None


def _pull_set(name: str) -> None:
    file_set = load_file_set(name)
    if file_set.shipped:
        _verify_set(name)
        return
    absent = {file for file in file_set.files if not (file_set.folder / file).exists()}
    _announce({hub: [file] for file, hub in file_set.files.items() if file in absent})
    with _bar() as bar:
        pull_files(file_set.files, file_set.folder, _progress_updater(bar))
    typer.echo(f"{name}: {len(file_set.files)} files in {file_set.folder}")


def _verify_set(name: str) -> None:
    file_set = load_file_set(name)
    damaged = damaged_files(file_set.files, file_set.folder)
    _print_verdict(name, damaged, len(file_set.files))


def _print_verdict(name: str, damaged: Mapping[str, str], count: int) -> None:
    if damaged:
        raise WeightsError(f"{name}: " + "; ".join(damaged.values()))
    typer.echo(f"{name}: {count} files are intact")


def _kind(name: str | None) -> Kind | None:
    from tcan_core.models.weights.importing.kinds import Kind

    if name is None:
        return None
    if name not in set(Kind):
        raise ParameterError(f"--kind is {name!r}; allowed are {', '.join(Kind)}")
    return Kind(name)


def _print_json(checked: list[ImportPlan], **others: object) -> None:
    files = [one.report.to_json() for one in checked]
    typer.echo(json.dumps({"files": files, **others}, indent=2))


def _print_reports(checked: list[ImportPlan]) -> None:
    for report in (one.report for one in checked):
        typer.echo("\n".join(report.lines()))
        for part, path in report.written.items():
            typer.echo(f"  {part}: written to {path}")


def _announce(files: Mapping[HubFile, Sequence[str]]) -> None:
    """Print what is about to be downloaded for which parts, with licences and sizes."""
    sizes = {file: _known_size(file) for file in files}
    for file, names in files.items():
        license_name = file.license or "unknown, see its repository"
        what = f"{', '.join(names)}: {file}, licence: {license_name}"
        typer.echo(f"{what}, {_size(sizes[file])}", err=True)
    if unpinned := [name for file, names in files.items() for name in names if not file.sha256]:
        typer.echo(
            f"no sha256 is pinned for {', '.join(unpinned)}: the first pull's is recorded in "
            f"{LOCK_NAME}, and later pulls must match it",
            err=True,
        )
    if restricted := sorted({one.license for one in files if "non-commercial" in one.license}):
        typer.echo(f"NOT FOR COMMERCIAL USE: {'; '.join(restricted)}", err=True)
    if files:
        total = _size(sum(size or 0 for size in sizes.values()) or None)
        at_least = "at least " if None in sizes.values() and any(sizes.values()) else ""
        typer.echo(f"to download in all: {at_least}{total}", err=True)


def _known_size(file: HubFile) -> int | None:
    """Return the size of a file, or None if it is unknown or the hub does not answer."""
    from tcan_core.models.weights.hub.transfer import announced_bytes

    try:
        return announced_bytes(file)
    except WeightsError:
        return None  # the download will say why


def _size(num_bytes: int | None) -> str:
    if num_bytes is None:
        return "size unknown"
    for unit, divisor in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= divisor:
            return f"{num_bytes / divisor:.1f} {unit}"
    return f"{num_bytes} bytes"


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True))


def _progress_updater(bar: Progress) -> Callable[[str, int, int | None], None]:
    tasks: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int | None) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done, total=total)

    return show
