"""Changes of a job as bytes: an event's frame, a webhook's body. Both hold the job's view."""

from __future__ import annotations

from service.contract.delivery_views import WebhookMessage
from service.contract.job import moment
from service.stores.job_store.deliveries import ClaimedDelivery
from service.stores.job_store.events import JobEvent
from service.views.job_views import view_snapshot


def event_frame(event: JobEvent, base_url: str = "") -> bytes:
    """Return a server-sent event with the job as a status request returns it."""
    data = view_snapshot(event.snapshot, base_url=base_url).model_dump_json()
    return f"id: {event.version}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def webhook_body(message: ClaimedDelivery, base_url: str = "") -> bytes:
    """Return the JSON of a message: its type, its time, and the job at that time."""
    body = WebhookMessage(
        type=message.delivery.event,
        timestamp=moment(message.delivery.created_ms),
        data=view_snapshot(message.snapshot, base_url=base_url),
    )
    return body.model_dump_json().encode()
