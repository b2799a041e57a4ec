"""`tcan poses preview`: let a running service detect the poses of a driving video."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import check_output, driving_source
from cli.jobs import ApiKey, AsJson, Url, connect, explained_interrupt, finish
from cli.submit import (
    SOURCE,
    AnySubject,
    Canvas,
    LayoutName,
    Person,
    PoseFps,
    PresetName,
    TrimPart,
    read_model,
)
from media import trim as media_trim
from service.contract.params import PoseLayout, PosesParams
from tcan_client import DEFAULT_URL


def preview(
    driving: Annotated[str, typer.Argument(help=f"Driving video. {SOURCE}", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The mp4 of skeletons to write. Default: only the job's id.")
    ] = None,
    keypoints: Annotated[
        Path | None, typer.Option(help="Also write the keypoints, a pose file (.json).")
    ] = None,
    person: Person = None,
    preset: PresetName = None,
    trim: TrimPart = None,
    layout: LayoutName = PoseLayout.AUTO,
    canvas: Canvas = None,
    fps: PoseFps = None,
    any_subject: AnySubject = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Send a pose preview to a running service, and print its id at once.

    Check the skeletons, correct the keypoints if needed, and submit them as --driving. --out and
    --keypoints wait for the job; Ctrl-C ends only the waiting.
    """
    arguments = dict(locals()) | {
        "trim": None if trim is None else asdict(media_trim.Trim.parse(trim))
    }
    params = read_model(PosesParams, arguments).model_dump(mode="json", exclude_defaults=True)
    source = driving_source("DRIVING", driving)
    for option, file, suffix in (("--out", out, "mp4"), ("--keypoints", keypoints, "json")):
        if file is not None:
            check_output(option, file, suffix)
    waits = out is not None or keypoints is not None
    with connect(url, api_key) as client:
        job = client.poses(source, params)
        if as_json and not waits:
            typer.echo(job.model_dump_json(indent=2))
            return
        with explained_interrupt(client, job.id, out):
            typer.echo(job.id, err=as_json)
            if waits:
                finish(client, job.id, out, as_json, keypoints)
