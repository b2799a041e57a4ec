"""API keys for tests, created as by `tcan keys create`."""

from __future__ import annotations

from typing import Any

from service.auth.key_secrets import digest, new_secret
from service.contract.callers import ApiKey, Scope
from service.stores.job_store.keys import put_key
from service.stores.job_store.store import JobStore

BOTH = (Scope.READ, Scope.SUBMIT)


def new_key(jobs: JobStore, caller: str, scopes: tuple[Scope, ...] = BOTH, **more: Any) -> str:
    """Store a new key and return its text."""
    key_id, text = new_secret()
    fields = {"id": key_id, "caller": caller, "digest": digest(text), "scopes": scopes}
    jobs.run(put_key(ApiKey.model_validate({**fields, "created_ms": 0, **more})))
    return text


def bearer(text: str) -> dict[str, str]:
    """Return the header with a key."""
    return {"Authorization": f"Bearer {text}"}


def secret_in(text: str) -> str:
    """Return the random part of a key, which may contain the separator `_`."""
    return text.split("_", 2)[2]
