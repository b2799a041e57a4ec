"""`tcan deliveries`: show the webhook messages of a job, and send one again."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.jobs import ApiKey, AsJson, JobId, Url
from service.client import DEFAULT_URL, Client
from service.contract.delivery_views import DeliveryView


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
    with Client(url, api_key=api_key) as client:
        if redeliver is None:
            messages = client.deliveries(job_id)
        else:
            messages = [client.redeliver(job_id, redeliver)]
    if as_json:
        typer.echo(f"[{', '.join(delivery.model_dump_json() for delivery in messages)}]")
        return
    for delivery in messages:
        typer.echo("\n".join(lines(delivery)))


def lines(delivery: DeliveryView) -> list[str]:
    """Return a line for the message and one for each attempt."""
    due = delivery.next_attempt_at
    when = "" if due is None else f", next attempt at {due:%Y-%m-%d %H:%M:%S}"
    head = f"{delivery.n}  {delivery.event}  {delivery.status}{when}  {delivery.url}"
    return [head] + [
        f"   {attempt.at:%Y-%m-%d %H:%M:%S}  {attempt.status or attempt.error}"
        f"  {attempt.took_s:.2f} s"
        for attempt in delivery.attempts
    ]
