"""`tcan submit`, `status`, `wait`, `cancel`, `list`: talk to a running service."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from service.api.views import JobView
from service.client import DEFAULT_URL, Client
from service.contract.options import JobOptions
from service.contract.params import JobParams, ResultFormat, Sampler
from service.contract.states import JobState
from service.contract.webhooks import WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

Url = Annotated[
    str, typer.Option(help="Where the service listens.", envvar="TCAN_URL", show_default=True)
]
ApiKey = Annotated[
    str | None,
    typer.Option(help="From 'tcan keys create'.", envvar="TCAN_API_KEY", show_envvar=True),
]
JobId = Annotated[str, typer.Argument(help="The job's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option(help="Write the result here.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the job to end.")]
M = TypeVar("M", bound=BaseModel)
Readable = {"exists": True, "dir_okay": False, "readable": True}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(submit)
    app.command()(status)
    app.command()(wait)
    app.command()(cancel)
    app.command()(erase)
    app.command("list")(list_jobs)


def describe(name: str, model: type[BaseModel] = JobParams) -> Any:
    """The option for a field, described as in the API."""
    return typer.Option(help=model.model_fields[name].description, show_default=True)


def submit(
    image: Annotated[Path, typer.Option(help="Picture of the character.", **Readable)],
    driving: Annotated[Path, typer.Option(help="Driving video, or a pose file.", **Readable)],
    seed: Annotated[int | None, describe("seed")] = None,
    num_inference_steps: Annotated[int | None, describe("num_inference_steps")] = None,
    guidance_scale: Annotated[float | None, describe("guidance_scale")] = None,
    context_size: Annotated[int, describe("context_size")] = 16,
    context_overlap: Annotated[int | None, describe("context_overlap")] = None,
    ptm_tau: Annotated[float, describe("ptm_tau")] = 3.0,
    retarget: Annotated[bool, describe("retarget")] = True,
    person: Annotated[int | None, describe("person")] = None,
    scheduler: Annotated[Sampler | None, describe("scheduler")] = None,
    cache_interval: Annotated[int, describe("cache_interval")] = 1,
    result_format: Annotated[
        ResultFormat, typer.Option("--format", help="Of the result.")
    ] = ResultFormat.MP4,
    ttl_s: Annotated[int, describe("ttl_s", JobOptions)] = JobOptions().ttl_s,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Is told of the job by signed messages.")
    ] = None,
    consent: Annotated[str | None, describe("consent", JobOptions)] = None,
    webhook_event: Annotated[
        list[WebhookEvent] | None,
        typer.Option(
            help="What it is told of; repeatable. How the job ends, when absent.",
            show_default=False,
        ),
    ] = None,
    wait_for_it: Wait = False,
    out: Out = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Send a job to a running service."""
    params = read_model(
        JobParams,
        seed=seed,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        context_size=context_size,
        context_overlap=context_overlap,
        ptm_tau=ptm_tau,
        retarget=retarget,
        person=person,
        scheduler=scheduler,
        cache_interval=cache_interval,
        format=result_format,
    )
    options = read_model(
        JobOptions,
        ttl_s=ttl_s,
        webhook=webhook_fields(webhook, webhook_event or []),
        consent=consent,
    )
    with Client(url, api_key=api_key) as client:
        job = client.submit(image, driving, params, options=options)
        if wait_for_it or out is not None:
            finish(client, job.id, out, as_json)
        else:
            typer.echo(job.model_dump_json(indent=2) if as_json else job.id)


def status(
    job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Show how a job stands."""
    with Client(url, api_key=api_key) as client:
        job = client.job(job_id)
    typer.echo(job.model_dump_json(indent=2) if as_json else line(job))


def wait(
    job_id: JobId,
    out: Out = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a job, and fetch its result; exits with 1 when the job has none."""
    with Client(url, api_key=api_key) as client:
        finish(client, job_id, out, as_json)


def cancel(
    job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Cancel a job: a waiting one ends at once, a running one within a step."""
    with Client(url, api_key=api_key) as client:
        job = client.cancel(job_id)
    typer.echo(job.model_dump_json(indent=2) if as_json else line(job))


def erase(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Erase an ended job and its results."""
    with Client(url, api_key=api_key) as client:
        client.erase(job_id)


def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    state: Annotated[list[JobState] | None, typer.Option(help="Of this state; repeatable.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    with Client(url, api_key=api_key) as client:
        jobs = client.jobs(limit, tuple(state or ()))
    if as_json:
        typer.echo(f"[{', '.join(job.model_dump_json() for job in jobs)}]")
        return
    for job in jobs:
        typer.echo(f"{job.created_at:%Y-%m-%d %H:%M:%S}  {line(job)}")


def read_model(model: type[M], **values: Any) -> M:
    """A model of the contract; a usage error names what is out of bounds."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        complaints = (
            f"{'.'.join(str(step) for step in entry['loc'])} "
            f"{entry['msg'].removeprefix('Value error, ')}".strip()
            for entry in error.errors()
        )
        raise typer.BadParameter("; ".join(complaints)) from error


def webhook_fields(url: str | None, events: list[WebhookEvent]) -> dict[str, Any] | None:
    """The webhook's part of the options; None when nobody is to be told."""
    if url is None and events:
        raise typer.BadParameter("--webhook-event says what --webhook is told: give that as well")
    if url is None:
        return None
    return {"url": url, "events": tuple(dict.fromkeys(events))} if events else {"url": url}


def finish(client: Client, job_id: str, out: Path | None, as_json: bool) -> None:
    """Follow the job with a progress bar, fetch its result, and exit with 1 when it has none."""
    with progress_bar() as update:
        job = client.wait(job_id, update)
    if job.status is JobState.SUCCEEDED and out is not None:
        client.download(job_id, out)
    if as_json:
        typer.echo(job.model_dump_json(indent=2))
    else:
        typer.echo(f"{line(job)}{f', written to {out}' if out and not job.error else ''}")
    if job.status is not JobState.SUCCEEDED:
        raise typer.Exit(1)


def line(job: JobView) -> str:
    """The job in one line."""
    if job.error is not None:
        return f"{job.id}  {job.status}: {job.error.detail} ({job.error.code})"
    if job.status.is_terminal:
        return f"{job.id}  {job.status}"
    place = "" if job.queue_position is None else f", {job.queue_position} before it"
    return f"{job.id}  {job.status}: {job.stage} {job.progress.fraction:.0%}{place}"


@contextmanager
def progress_bar() -> Iterator[Callable[[JobView], None]]:
    """A bar on stderr; gives what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}", justify="left"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("queued", total=1.0, note="")
        yield lambda job: _show(progress, task, job)


def _show(progress: Progress, task: Any, job: JobView) -> None:
    note = ""
    if job.queue_position:
        note = f"{job.queue_position} before it"
    elif job.progress.steps and job.stage != "prepare":
        note = f"step {job.progress.step} of {job.progress.steps}"
        note += f", {job.progress.eta_s:.0f} s left" if job.progress.eta_s else ""
    doing = job.stage if job.status.is_leased else job.status.value
    progress.update(task, completed=job.progress.fraction, description=doing, note=note)
