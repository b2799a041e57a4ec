"""OpenAPI webhooks: the requests that this service sends to a job's webhook."""

from __future__ import annotations

from typing import Any

from service.api.openapi.request_bodies import schema_of
from service.contract.delivery_views import WebhookMessage
from service.contract.examples import message_example
from service.contract.webhooks import WebhookEvent

SUMMARIES = {
    WebhookEvent.RUNNING: "A job started to render",
    WebhookEvent.SUCCEEDED: "A job has succeeded",
    WebhookEvent.FAILED: "A job has failed",
    WebhookEvent.CANCELED: "A job was canceled",
}
# Type of an argument, from which alone openapi-generator's Python client takes that of a webhook's;
# without it, the package has a syntax error.
PYTHON_TYPE = "x-py-typing"
HEADERS = {
    "webhook-id": "The same in every attempt to send this message.",
    "webhook-timestamp": "Time of the attempt, in seconds since 1970.",
    "webhook-signature": "Signatures `v1` (HMAC-SHA256) and `v1a` (Ed25519), one of each secret "
    "and key that is valid; one match is enough. See `GET /webhooks/secret`.",
}


def webhooks() -> dict[str, Any]:
    """Return the document's `webhooks`, by event."""
    return {event.value: {"post": _operation(event)} for event in WebhookEvent}


def _operation(event: WebhookEvent) -> dict[str, Any]:
    return {
        "tags": ["receiver"],
        "operationId": f"on_{event.value.replace('.', '_')}",
        "summary": SUMMARIES[event],
        "description": "Sent to `options.webhook.url` by the Standard Webhooks specification if "
        f"`options.webhook.events` has `{event.value}`.",
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
                PYTHON_TYPE: "str",
            }
            for name, text in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            PYTHON_TYPE: WebhookMessage.__name__,
            "content": {
                "application/json": {
                    "schema": schema_of(WebhookMessage),
                    "example": message_example(event),
                }
            },
        },
        "responses": {
            "2XX": {"description": "The message was accepted."},
            "410": {"description": "No more messages are wanted; later ones are not sent."},
            "default": {"description": "The message is sent again later, at most ten times."},
        },
    }
