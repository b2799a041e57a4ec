"""The outbox of webhooks, in Redis.

A message is put in by the script that changes the job's state, in the same step; so no restart
loses one. Keys: `deliveries:{job}` events of a job in order (the place is the message's number);
`delivery:{job}:{n}` hash, `delivery:{job}:{n}:attempts` its log; `deliveries:due:{caller}` when to
try next, `deliveries:callers` callers by the first of theirs; `webhooks:disabled:{caller}` where
410 was answered; `webhooks:secrets:{caller}` generations of the caller's secret. A gateway claims a
message for a while; if it dies, the message is due again. Messages go when their job is erased.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from service.contract.webhooks import Attempt, Delivery, DeliveryState
from service.stores.job_store.commands import Call, Placed, read_placed


class Secret(NamedTuple):
    """A generation of a caller's secret; `retires_ms` is None while it is the newest."""

    generation: int
    retires_ms: int | None


class Claimed(NamedTuple):
    """A message to be sent now: the delivery, the job as it was stored, and which secrets sign."""

    delivery: Delivery
    stored: str
    secrets: list[Secret]

    @property
    def placed(self) -> Placed:
        """The job as it stood. Read only here, so that one that cannot be read spoils no other."""
        record, place, now_ms, forecast = json.loads(self.stored)
        return read_placed((record, place, int(now_ms), forecast))


def claim(limit: int, claim_ms: int, share: int, sending: Mapping[str, int]) -> Call[list[Claimed]]:
    """Take messages that are due; they come due again after `claim_ms`.

    Args:
        limit: at most so many.
        share: of a caller, with those of theirs that are being sent.
        sending: callers, and how many of their messages this gateway is sending.
    """
    counts = (word for pair in sending.items() for word in pair)
    return Call(
        "claim_deliveries",
        (limit, claim_ms, share, *counts),
        lambda reply: [_claimed(entry) for entry in reply],
    )


def settle(
    delivery: Delivery, attempt: Attempt, state: DeliveryState, retry_in_ms: int = 0
) -> Call[bool]:
    """Log an attempt and its outcome; False when the message was claimed anew meanwhile."""
    known = (f"{delivery.job_id}:{delivery.n}", delivery.claim)
    outcome = (attempt.model_dump_json(), state, retry_in_ms)
    return Call("settle_delivery", (*known, *outcome), bool)


def deliveries(job_id: str) -> Call[list[Delivery]]:
    """The messages of a job, oldest first, each with its attempts."""
    return Call("deliveries", (job_id,), lambda reply: [_delivery(*entry) for entry in reply])


def redeliver(job_id: str, n: int) -> Call[Delivery | None]:
    """Send a message once more, now, with all of its attempts before it; None when unknown.

    A receiver that was disabled is tried again.
    """
    return Call("redeliver", (job_id, n), lambda reply: _delivery(*reply) if reply else None)


def secrets(caller: str) -> Call[list[Secret]]:
    """The caller's secrets that sign now, newest first."""
    return Call("webhook_secrets", (caller, ""), _secrets)


def rotate_secret(caller: str, overlap_ms: int) -> Call[list[Secret]]:
    """Make a new secret; those before it go on signing for at most `overlap_ms`."""
    return Call("webhook_secrets", (caller, overlap_ms), _secrets)


def _delivery(pairs: list[str], attempts: list[str]) -> Delivery:
    fields: dict[str, Any] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    fields.pop("placed", None)
    fields["attempts"] = [json.loads(text) for text in attempts]
    return Delivery.model_validate(fields)


def _claimed(reply: tuple[list[str], list[str], list[str]]) -> Claimed:
    pairs, attempts, generations = reply
    stored = pairs[pairs.index("placed") + 1]
    return Claimed(_delivery(pairs, attempts), stored, _secrets(generations))


def _secrets(reply: list[str]) -> list[Secret]:
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [Secret(int(name), int(ms) if ms else None) for name, ms in pairs]
