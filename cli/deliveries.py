"""`tcan deliveries`: the webhooks of a job, and sending one once more."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.jobs import ApiKey, AsJson, JobId, Url
from service.client import DEFAULT_URL, Client
from service.contract.delivery_views import DeliveryView


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(deliveries)


def deliveries(
    job_id: JobId,
    redeliver: Annotated[
        int | None, typer.Option(min=1, help="Send the message of this number once more.")
    ] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Show the messages to a job's webhook with every attempt to deliver them."""
    with Client(url, api_key=api_key) as client:
        if redeliver is None:
            found = client.deliveries(job_id)
        else:
            found = [client.redeliver(job_id, redeliver)]
    if as_json:
        typer.echo(f"[{', '.join(delivery.model_dump_json() for delivery in found)}]")
        return
    for delivery in found:
        typer.echo("\n".join(lines(delivery)))


def lines(delivery: DeliveryView) -> list[str]:
    """A message in one line, and one line for each attempt."""
    due = delivery.next_attempt_at
    when = "" if due is None else f", next attempt at {due:%Y-%m-%d %H:%M:%S}"
    head = f"{delivery.n}  {delivery.event}  {delivery.status}{when}  {delivery.url}"
    return [head] + [
        f"   {attempt.at:%Y-%m-%d %H:%M:%S}  {attempt.status or attempt.error}"
        f"  {attempt.took_s:.2f} s"
        for attempt in delivery.attempts
    ]
