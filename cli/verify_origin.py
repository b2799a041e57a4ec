"""`tcan verify-origin`: does a file say that it was generated, and does it bear a mark?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from media.watermark.detect import WatermarkResult
    from worker.outputs.provenance.reading import Manifest

UNKNOWN_EXIT = 1


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("verify-origin")(verify_origin)


def verify_origin(
    file: Annotated[Path, typer.Argument(help="A video or picture.", exists=True, dir_okay=False)],
    anchors: Annotated[
        Path | None, typer.Option(help="PEM of issuers whose signatures are trusted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look for a C2PA manifest and for TCAN's watermark.

    Exits with 0 when a manifest holds or a mark is found, with 1 when neither is.
    TCAN_WATERMARK_KEY is the key of the marks that are looked for.
    """
    from service.settings import load_settings
    from worker.outputs.provenance.reading import read_manifest

    settings = load_settings()
    key = settings.watermark_key
    manifest = read_manifest(file, "" if anchors is None else anchors.read_text())
    finding, why = find_mark(file, None if key is None else key.get_secret_value().encode())
    if as_json:
        typer.echo(_as_json(manifest, finding, why))
    else:
        typer.echo(_c2pa_line(manifest))
        typer.echo(_mark_line(finding, why))
    if manifest.state != "valid" and not finding.found:
        raise typer.Exit(UNKNOWN_EXIT)


def find_mark(file: Path, key: bytes | None) -> tuple[WatermarkResult, str]:
    """The mark in a file, decoded in a child process; and why it could not be looked for."""
    from contextlib import closing

    from media.limits import MediaLimits
    from media.watermark.detect import WatermarkDetector
    from media.watermark.pattern import PUBLIC_KEY
    from service.input_limits import InputLimits
    from worker.decoding import ChildSource
    from worker.failures import AnimationError

    detector = WatermarkDetector(key or PUBLIC_KEY)
    source = ChildSource(InputLimits())
    try:
        with closing(source), source.video(file, MediaLimits()) as frames:
            for frame in frames:
                detector.add(frame)
                if detector.has_enough:
                    break
    except AnimationError as error:
        return detector.result(), error.detail
    return detector.result(), ""


def _c2pa_line(manifest: Manifest) -> str:
    if manifest.state == "unsupported":
        return "C2PA: this kind of file has no place for a manifest"
    if manifest.state != "valid":
        return f"C2PA: {manifest.state}" + "".join(f"; {problem}" for problem in manifest.problems)
    trusted = "trusted" if manifest.trusted else "not trusted by the issuers given"
    generated = "; says that a model made it" if manifest.generated else ""
    return f"C2PA: valid, by {manifest.tool}, signed by {manifest.signer} ({trusted}){generated}"


def _mark_line(finding: WatermarkResult, why: str) -> str:
    if why and not finding.found:
        return f"watermark: not looked for ({why})"
    said = f"score {finding.score:g} in {finding.frames} frames"
    if not finding.found:
        return f"watermark: none found ({said})"
    payload = "unreadable" if finding.payload is None else f"{finding.payload:08x}"
    return f"watermark: found ({said}), payload {payload}"


def _as_json(manifest: Manifest, finding: WatermarkResult, why: str) -> str:
    import json
    from dataclasses import asdict

    mark: dict[str, Any] = asdict(finding)
    if finding.payload is not None:
        mark["payload"] = f"{finding.payload:08x}"
    return json.dumps({"c2pa": asdict(manifest), "watermark": mark | {"problem": why}})
