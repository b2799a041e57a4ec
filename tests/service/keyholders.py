"""Callers with keys, made as `tcan keys create` makes them."""

from __future__ import annotations

from typing import Any

from service.auth.key_secrets import digest, new_secret
from service.contract.callers import ApiKey, Scope
from service.stores.job_store.keys import put_key
from service.stores.job_store.store import JobStore

BOTH = (Scope.READ, Scope.SUBMIT)


def new_key(jobs: JobStore, caller: str, scopes: tuple[Scope, ...] = BOTH, **more: Any) -> str:
    """A key in the store; the text that its holder sends."""
    key_id, text = new_secret()
    fields = {"id": key_id, "caller": caller, "digest": digest(text), "scopes": scopes}
    jobs.run(put_key(ApiKey.model_validate({**fields, "created_ms": 0, **more})))
    return text


def bearer(text: str) -> dict[str, str]:
    """The header that brings a key."""
    return {"Authorization": f"Bearer {text}"}


def secret_in(text: str) -> str:
    """The random part of a key; it may itself hold the underscore that parts the fields."""
    return text.split("_", 2)[2]
