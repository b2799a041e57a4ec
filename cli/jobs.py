"""`tcan status`, `wait`, `cancel`, `erase`, `list` and `deliveries`: jobs of a running service."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.arguments import check_output
from tcan_client import DEFAULT_URL, Client, ClientError, Delivery, Job, JobKind, JobState, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

Url = Annotated[
    str, typer.Option(help="Address of the service.", envvar="TCAN_URL", show_default=True)
]
ApiKey = Annotated[
    str | None,
    typer.Option(help="API key, from 'tcan keys create'.", envvar="TCAN_API_KEY", show_envvar=True),
]
JobId = Annotated[str, typer.Argument(help="The job's id.", show_default=False)]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Text of yours that is stored with the job; repeatable.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option(help="File to write the result to.")]


def status(
    job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Show the status of a job."""
    with connect(url, api_key) as client:
        job = client.job(job_id)
    typer.echo(job.model_dump_json(indent=2) if as_json else line(job))


def wait(
    job_id: JobId,
    out: Out = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and download its result; exit with 1 if it has none.

    Ctrl-C ends only the waiting; the job continues.
    """
    if out is not None:
        check_output("--out", out)
    with connect(url, api_key) as client:
        if out is not None:
            check_output("--out", out, _suffix(client.job(job_id)))
        with explained_interrupt(client, job_id, out):
            finish(client, job_id, out, as_json)


def cancel(
    job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Cancel a job: a queued one ends at once, a running one within a step."""
    with connect(url, api_key) as client:
        job = client.cancel(job_id)
    typer.echo(job.model_dump_json(indent=2) if as_json else line(job))


def erase(job_id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Erase an ended job and its results."""
    with connect(url, api_key) as client:
        client.erase(job_id)


def metadata_fields(pairs: list[str] | None) -> dict[str, str]:
    """Return the metadata of `NAME=VALUE` texts. Raises BadParameter."""
    for pair in pairs or ():
        if "=" not in pair:
            raise typer.BadParameter(f"--metadata is {pair!r}; give NAME=VALUE, such as shot=12")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs or ())}


def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs.")] = 20,
    state: Annotated[
        list[JobState] | None, typer.Option(help="Only jobs in this state; repeatable.")
    ] = None,
    metadata: Metadata = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    with connect(url, api_key) as client:
        jobs = client.jobs(limit, tuple(state or ()), metadata=metadata_fields(metadata))
    if as_json:
        typer.echo(f"[{', '.join(job.model_dump_json() for job in jobs)}]")
        return
    for job in jobs:
        typer.echo(f"{job.created_at:%Y-%m-%d %H:%M:%S}  {line(job)}")


def deliveries(
    job_id: JobId,
    redeliver: Annotated[
        int | None, typer.Option(min=1, help="Send the message with this number again.")
    ] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show a job's webhook messages with all delivery attempts."""
    with connect(url, api_key) as client:
        if redeliver is None:
            messages = client.deliveries(job_id)
        else:
            messages = [client.redeliver(job_id, redeliver)]
    if as_json:
        typer.echo(f"[{', '.join(delivery.model_dump_json() for delivery in messages)}]")
        return
    for delivery in messages:
        typer.echo("\n".join(delivery_lines(delivery)))


def delivery_lines(delivery: Delivery) -> list[str]:
    """Return a line for the message and one for each attempt."""
    due = delivery.next_attempt_at
    when = "" if due is None else f", next attempt at {due:%Y-%m-%d %H:%M:%S}"
    head = f"{delivery.n}  {delivery.event}  {delivery.status}{when}  {delivery.url}"
    return [head] + [
        f"   {attempt.at:%Y-%m-%d %H:%M:%S}  {attempt.status or attempt.error}"
        f"  {attempt.took_s:.2f} s"
        for attempt in delivery.attempts
    ]


def connect(url: str, api_key: str | None) -> Client:
    """Return a client of the service. Raises BadParameter for an invalid URL or key."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise typer.BadParameter(
            "contains characters that no key has; copy it from 'tcan keys create'",
            param_hint="'--api-key'",
        )
    try:
        return Client(url, api_key=api_key)
    except ClientError as error:
        raise typer.BadParameter(str(error), param_hint="'--url'") from error


def finish(
    client: Client,
    job_id: str,
    out: Path | None,
    as_json: bool,
    keypoints: Path | None = None,
) -> None:
    """Show a progress bar, download the outputs, and exit with 1 if there are none.

    Args:
        out: the video to write: the result, or the skeletons of a pose preview.
        keypoints: pose file of a pose preview to write.
    """
    with progress_bar() as update:
        job = client.wait(job_id, update)
    video = Output.POSE if job.kind is JobKind.POSES else Output.RESULT
    files = {video: out, Output.KEYPOINTS: keypoints}
    written = {output: file for output, file in files.items() if file is not None}
    if job.status is JobState.SUCCEEDED:
        for output, file in written.items():
            client.download(job_id, file, output)
    if as_json:
        typer.echo(job.model_dump_json(indent=2))
    else:
        for warning in job.warnings:
            typer.echo(f"warning: {warning}", err=True)
        names = " and ".join(str(file) for file in written.values())
        typer.echo(f"{line(job)}{f', written to {names}' if names and not job.error else ''}")
    if job.status is not JobState.SUCCEEDED:
        raise typer.Exit(1)


def _suffix(job: Job) -> str | None:
    """Return the suffix of a job's video: the result, or the skeletons of a pose preview."""
    return "mp4" if job.kind is JobKind.POSES else job.params.format


@contextmanager
def explained_interrupt(client: Client, job_id: str, out: Path | None) -> Iterator[None]:
    """Say how to continue when Ctrl-C ends the block."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(interrupted(client.url, job_id, out), err=True)
        raise


def interrupted(url: str, job_id: str, out: Path | None) -> str:
    """Return what to do after the waiting was interrupted, with commands to copy."""
    known = os.environ.get("TCAN_URL") or DEFAULT_URL
    where = "" if url == known else f" --url {shlex.quote(url)}"
    file = "" if out is None else f" --out {shlex.quote(str(out))}"
    return (
        f"The waiting is over, the job {job_id} continues.\n"
        f"  tcan wait {job_id}{file}{where}    waits for it again\n"
        f"  tcan cancel {job_id}{where}    cancels it"
    )


def line(job: Job) -> str:
    """Return the job as one line."""
    if job.error is not None:
        return f"{job.id}  {job.status}: {job.error.detail} ({job.error.code})"
    if job.has_ended:
        return f"{job.id}  {job.status}"
    position = "" if job.queue_position is None else f", {job.queue_position} ahead"
    return f"{job.id}  {job.status}: {job.stage} {job.progress.fraction:.0%}{position}"


@contextmanager
def progress_bar() -> Iterator[Callable[[Job], None]]:
    """Show a bar on stderr; yield a function that updates it."""
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
        yield lambda job: _update(progress, task, job)


def _update(progress: Progress, task: Any, job: Job) -> None:
    note = ""
    if job.queue_position:
        note = f"{job.queue_position} ahead"
    elif job.progress.steps and job.stage != "prepare":
        note = f"step {job.progress.step} of {job.progress.steps}"
        note += f", {job.progress.eta_s:.0f} s left" if job.progress.eta_s else ""
    activity = job.stage if job.is_running else job.status.value
    progress.update(task, completed=job.progress.fraction, description=activity, note=note)
