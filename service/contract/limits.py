"""Limits that gateway and clients share."""

from __future__ import annotations

# How long a request holds its idempotency key; renewed while the request is accepted, so that the
# key of a gateway that died is free after this time. Clients wait longer.
CLAIM_MS = 10_000
