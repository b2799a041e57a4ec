"""`tcan verify-origin`: check a file for a C2PA manifest and TCAN's watermark."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from media.watermark.detect import WatermarkResult
    from worker.outputs.provenance.reading import Manifest


def verify_origin(
    file: Annotated[Path, typer.Argument(help="A video or image.", exists=True, dir_okay=False)],
    anchors: Annotated[Path | None, typer.Option(help="PEM file of trusted issuers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a file for a C2PA manifest and for TCAN's watermark.

    Exits with 0 if a manifest is valid or a watermark is found, with 1 otherwise. Only watermarks
    of the key TCAN_WATERMARK_KEY are found.
    """
    from service.settings import load_settings
    from worker.outputs.provenance.reading import read_manifest

    settings = load_settings()
    key = settings.watermark_key
    manifest = read_manifest(file, "" if anchors is None else anchors.read_text())
    watermark, problem = find_watermark(
        file, None if key is None else key.get_secret_value().encode()
    )
    if as_json:
        typer.echo(_as_json(manifest, watermark, problem))
    else:
        typer.echo(_c2pa_line(manifest))
        typer.echo(_watermark_line(watermark, problem))
    if manifest.state != "valid" and not watermark.found:
        raise typer.Exit(1)


def find_watermark(file: Path, key: bytes | None) -> tuple[WatermarkResult, str]:
    """Detect the watermark of a file that a child process decodes; return it and any problem."""
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
        return "C2PA: this file type cannot hold a manifest"
    if manifest.state != "valid":
        return f"C2PA: {manifest.state}" + "".join(f"; {problem}" for problem in manifest.problems)
    trusted = "trusted" if manifest.trusted else "not by a trusted issuer"
    generated = "; declares that a model made it" if manifest.generated else ""
    return f"C2PA: valid, by {manifest.tool}, signed by {manifest.signer} ({trusted}){generated}"


def _watermark_line(finding: WatermarkResult, problem: str) -> str:
    if problem and not finding.found:
        return f"watermark: not checked ({problem})"
    score = f"score {finding.score:g} in {finding.frames} frames"
    if not finding.found:
        return f"watermark: none found ({score})"
    payload = "unreadable" if finding.payload is None else f"{finding.payload:08x}"
    return f"watermark: found ({score}), payload {payload}"


def _as_json(manifest: Manifest, finding: WatermarkResult, problem: str) -> str:
    watermark: dict[str, Any] = asdict(finding)
    if finding.payload is not None:
        watermark["payload"] = f"{finding.payload:08x}"
    return json.dumps({"c2pa": asdict(manifest), "watermark": watermark | {"problem": problem}})
