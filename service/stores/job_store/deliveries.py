"""The outbox of webhooks, in Redis.

The script that changes a job's state also queues its message, so a restart loses none. A gateway
claims a message for a limited time; if the gateway dies, the message is due again. Messages are
deleted with their job.

Keys in Redis:

- `deliveries:{job}`: events of a job in order; the position is the message's number.
- `delivery:{job}:{n}`: hash, a message; `delivery:{job}:{n}:attempts`, its log.
- `deliveries:due:{caller}`: messages by the time of their next attempt.
- `deliveries:callers`: callers by the time of their first message; `deliveries:callers:{level}`,
  those of each level but `NEW`, who are due in the other an hour late.
- `webhooks:levels`: levels of callers.
- `webhooks:disabled:{caller}`: URLs that answered 410.
- `webhooks:secrets:{caller}`: generations of the caller's secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from service.contract.webhooks import Attempt, Delivery, DeliveryState
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import JobSnapshot, parse_snapshot

# Levels of callers by how quickly their receivers answer: 0 if the last attempt ended soon, `NEW`
# without one, and one more for each slow attempt, up to the last.
LEVELS = 4
NEW = 1
# A message has ten attempts, and ten more with each redelivery. The last ones are kept.
MAX_ATTEMPTS = 100
# Of a caller; a further one takes the place of any other.
MAX_DISABLED_URLS = 1000


class Secret(NamedTuple):
    """A generation of a caller's secret; `retires_ms` is None for the newest."""

    generation: int
    retires_ms: int | None


class ClaimedDelivery(NamedTuple):
    """A message to be sent now.

    Attributes:
        stored: the job's snapshot as stored in Redis.
        secrets: the secrets that sign.
        level: the caller's level.
    """

    delivery: Delivery
    stored: str
    secrets: list[Secret]
    level: int

    @property
    def snapshot(self) -> JobSnapshot:
        """The job at the event; parsed late, so that an error affects no other message."""
        record, position, now_ms, forecast = json.loads(self.stored)
        return parse_snapshot((record, position, int(now_ms), forecast))


def claim(
    places: Sequence[int], claim_ms: int, shares: Sequence[int], sending: Mapping[str, int]
) -> Command[list[ClaimedDelivery]]:
    """Claim messages that are due; they are due again after `claim_ms`.

    Args:
        places: for each level, how many messages of this and later levels may be claimed.
        shares: for each level, how many messages of one caller may be sent at a time.
        sending: number of messages that this gateway is sending, by caller.
    """
    arguments = {
        "places": list(places),
        "claim_ms": claim_ms,
        "shares": list(shares),
        "sending": dict(sending),
    }
    return Command(
        "claim_deliveries", arguments, lambda reply: [_claimed(entry) for entry in reply]
    )


def settle(
    delivery: Delivery, attempt: Attempt, state: DeliveryState, level: int, retry_in_ms: int = 0
) -> Command[bool]:
    """Log an attempt and its outcome; returns False if the message was claimed again meanwhile.

    Args:
        level: the caller's level from now on.
    """
    arguments = {
        "id": delivery.job_id,
        "n": delivery.n,
        "claim": delivery.claim,
        "attempt": attempt.model_dump_json(),
        "max_attempts": MAX_ATTEMPTS,
        "max_disabled": MAX_DISABLED_URLS,
        "state": state,
        "level": level,
        "retry_ms": retry_in_ms,
    }
    return Command("settle_delivery", arguments, bool)


def deliveries(job_id: str) -> Command[list[Delivery]]:
    """List the messages of a job, oldest first, with their attempts."""
    return Command(
        "deliveries", {"id": job_id}, lambda reply: [_delivery(*entry) for entry in reply]
    )


def redeliver(job_id: str, n: int) -> Command[Delivery | None]:
    """Send a message again now, with all of its attempts left; None if unknown.

    Enables its receiver if it was disabled.
    """
    return Command(
        "redeliver", {"id": job_id, "n": n}, lambda reply: _delivery(*reply) if reply else None
    )


def secrets(caller: str) -> Command[list[Secret]]:
    """List the caller's secrets that sign now, newest first."""
    return Command("webhook_secrets", {"caller": caller}, _secrets)


def rotate_secret(caller: str, overlap_ms: int) -> Command[list[Secret]]:
    """Create a new secret; the nine before it sign for at most `overlap_ms` more."""
    return Command("webhook_secrets", {"caller": caller, "overlap_ms": overlap_ms}, _secrets)


def _delivery(pairs: list[str], attempts: list[str]) -> Delivery:
    fields: dict[str, Any] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    fields.pop("placed", None)
    fields["attempts"] = [json.loads(text) for text in attempts]
    return Delivery.model_validate(fields)


def _claimed(reply: tuple[list[str], list[str], list[str], int]) -> ClaimedDelivery:
    pairs, attempts, generations, level = reply
    stored = pairs[pairs.index("placed") + 1]
    return ClaimedDelivery(_delivery(pairs, attempts), stored, _secrets(generations), level)


def _secrets(reply: list[str]) -> list[Secret]:
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [Secret(int(name), int(ms) if ms else None) for name, ms in pairs]
