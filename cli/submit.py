"""`tcan submit`: send a job to a running service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from cli.arguments import check_output, driving_source, input_source, option_of
from cli.jobs import (
    ApiKey,
    AsJson,
    Metadata,
    Out,
    Url,
    connect,
    explained_interrupt,
    finish,
    metadata_fields,
)
from media import trim as media_trim
from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams, PoseLayout, ResultFormat, RootMotion, Sampler
from service.contract.webhooks import WebhookEvent
from service.submission.field_problems import field_problems, summary
from tcan_client import DEFAULT_URL

Wait = Annotated[bool, typer.Option("--wait", help="Wait for the job to end.")]
M = TypeVar("M", bound=BaseModel)
SOURCE = "A file, an http(s) URL, or the id of an upload."


def describe(name: str, model: type[BaseModel] = JobParams) -> Any:
    """Return the option for a field, with the API's description."""
    return typer.Option(help=model.model_fields[name].description, show_default=True)


# Options that a pose preview has as well.
Person = Annotated[int | None, describe("person")]
PresetName = Annotated[str | None, describe("preset")]
TrimPart = Annotated[
    str | None,
    typer.Option(metavar="START:END", help="Part of the driving file, in seconds: 1.5:4, :4."),
]
LayoutName = Annotated[PoseLayout, describe("layout")]
Canvas = Annotated[str | None, describe("canvas")]
PoseFps = Annotated[float | None, describe("fps")]
AnySubject = Annotated[bool, describe("any_subject")]


def submit(
    image: Annotated[str, typer.Option(help=f"Image of the character. {SOURCE}")],
    driving: Annotated[
        str, typer.Option(help=f"Driving video, or pose file (.json, .zip, folder). {SOURCE}")
    ],
    image_pose: Annotated[
        str | None, typer.Option(help=f"Pose file of the image. {SOURCE} Default: detected.")
    ] = None,
    seed: Annotated[int | None, describe("seed")] = None,
    num_inference_steps: Annotated[int | None, describe("num_inference_steps")] = None,
    guidance_scale: Annotated[float | None, describe("guidance_scale")] = None,
    context_size: Annotated[int | None, describe("context_size")] = None,
    context_overlap: Annotated[int | None, describe("context_overlap")] = None,
    ptm_tau: Annotated[float | None, describe("ptm_tau")] = None,
    retarget: Annotated[bool, describe("retarget")] = True,
    root_motion: Annotated[RootMotion | None, describe("root_motion")] = None,
    person: Person = None,
    preset: PresetName = None,
    trim: TrimPart = None,
    layout: LayoutName = PoseLayout.AUTO,
    canvas: Canvas = None,
    fps: PoseFps = None,
    any_subject: AnySubject = False,
    scheduler: Annotated[Sampler | None, describe("scheduler")] = None,
    cache_interval: Annotated[int, describe("cache_interval")] = 1,
    result_format: Annotated[
        ResultFormat, typer.Option("--format", help="Format of the result.")
    ] = ResultFormat.MP4,
    audio: Annotated[bool, describe("audio")] = False,
    ttl_s: Annotated[int, describe("ttl_s", JobOptions)] = JobOptions().ttl_s,
    priority: Annotated[Priority, describe("priority", JobOptions)] = Priority.NORMAL,
    start_deadline_s: Annotated[int | None, describe("start_deadline_s", JobOptions)] = None,
    run_deadline_s: Annotated[int | None, describe("run_deadline_s", JobOptions)] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Receives signed messages about the job.")
    ] = None,
    consent: Annotated[str | None, describe("consent", JobOptions)] = None,
    metadata: Metadata = None,
    webhook_event: Annotated[
        list[WebhookEvent] | None,
        typer.Option(
            help="Event to send; repeatable. Default: the end of the job.",
            show_default=False,
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            help="Submits with the same key create one job, for a day. Default: random.",
            show_default=False,
        ),
    ] = None,
    wait_for_it: Wait = False,
    out: Out = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Send a job to a running service, and print its id at once.

    --out implies --wait. Ctrl-C ends only the waiting.
    """
    arguments = dict(locals()) | {
        "format": result_format,
        "webhook": webhook_fields(webhook, webhook_event or []),
        "trim": None if trim is None else asdict(media_trim.Trim.parse(trim)),
        "metadata": metadata_fields(metadata),
    }
    params, options = read_model(JobParams, arguments), read_model(JobOptions, arguments)
    sources = input_source("--image", image), driving_source("--driving", driving)
    pose = None if image_pose is None else input_source("--image-pose", image_pose)
    if out is not None:
        remedy = f"choose --format {out.suffix.lower()[1:]}"
        check_output("--out", out, result_format, remedy)
    with connect(url, api_key) as client:
        job = client.submit(
            *sources,
            params.model_dump(mode="json", exclude_defaults=True),
            image_pose=pose,
            options=options.model_dump(mode="json", exclude_defaults=True),
            idempotency_key=idempotency_key,
        )
        waits = wait_for_it or out is not None
        if as_json and not waits:
            typer.echo(job.model_dump_json(indent=2))
            return
        with explained_interrupt(client, job.id, out):
            typer.echo(job.id, err=as_json)
            if waits:
                finish(client, job.id, out, as_json)


def read_model(model: type[M], arguments: Mapping[str, Any]) -> M:
    """Validate the arguments that a model of the contract has. Raises BadParameter."""
    values = {name: arguments[name] for name in model.model_fields if name in arguments}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = field_problems(error.errors(), "options", model)
        named = [entry | {"field": option_of(entry["field"])} for entry in problems]
        raise typer.BadParameter(summary(named)) from error


def webhook_fields(url: str | None, events: list[WebhookEvent]) -> dict[str, Any] | None:
    """Return the webhook's part of the options, if there is one."""
    if url is None and events:
        raise typer.BadParameter("--webhook-event needs --webhook")
    if url is None:
        return None
    return {"url": url, "events": tuple(dict.fromkeys(events))} if events else {"url": url}
