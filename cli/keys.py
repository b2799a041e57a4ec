"""`tcan keys`: create, list and revoke API keys, by access to the service's Redis."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from cli.serve import Data, read_settings
from service.auth.key_secrets import digest, new_secret
from service.contract.callers import CALLER, ApiKey, CallerLimits, Scope
from service.contract.options import Priority
from service.stores.job_store import keys as commands
from service.stores.job_store.store import JobStore

DAY_S = 24 * 3600
Limit = Annotated[int | None, typer.Option(min=1, show_default="unlimited")]
app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    caller: Annotated[str, typer.Argument(help="Name of the caller; all its keys share its jobs.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="Permission; repeatable. Default: read and submit."),
    ] = None,
    requests_per_minute: Limit = None,
    queued_jobs: Limit = None,
    input_bytes_per_day: Limit = None,
    driving_s_per_day: Limit = None,
    highest_priority: Annotated[
        Priority, typer.Option(help="Highest priority that its jobs may have.")
    ] = Priority.NORMAL,
    expires_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days until it expires.", show_default="never")
    ] = None,
    data: Data = None,
) -> None:
    """Create a key and print it; it is shown only once."""
    check_caller(caller)
    key_id, secret = new_secret()
    now_ms = round(time.time() * 1000)
    key = ApiKey(
        id=key_id,
        caller=caller,
        digest=digest(secret),
        scopes=tuple(dict.fromkeys(scope or (Scope.READ, Scope.SUBMIT))),
        limits=CallerLimits(
            requests_per_minute=requests_per_minute,
            queued_jobs=queued_jobs,
            input_bytes_per_day=input_bytes_per_day,
            driving_s_per_day=driving_s_per_day,
        ),
        highest_priority=highest_priority,
        created_ms=now_ms,
        expires_ms=None if expires_days is None else now_ms + round(expires_days * DAY_S * 1000),
    )
    with open_jobs(data) as jobs:
        jobs.run(commands.put_key(key))
    typer.echo(secret)
    typer.echo(f"Key {key_id} of {caller}: store it now, it is not shown again.", err=True)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: Data = None,
) -> None:
    """List all keys, also revoked ones, without their secrets."""
    with open_jobs(data) as jobs:
        keys = jobs.run(commands.list_keys())
    if as_json:
        texts = (key.model_dump_json(exclude={"digest"}) for key in keys)
        typer.echo(f"[{', '.join(texts)}]")
        return
    for key in keys:
        typer.echo(line(key, time.time() * 1000))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from 'tcan keys list'.")],
    data: Data = None,
) -> None:
    """Revoke a key: a second later every gateway rejects it."""
    with open_jobs(data) as jobs:
        exists = jobs.run(commands.revoke_key(key_id))
    if not exists:
        raise typer.BadParameter(f"there is no key {key_id!r}; 'tcan keys list' shows all ids")


def line(key: ApiKey, now_ms: float) -> str:
    """Return a key as one line."""
    limits = key.limits.model_dump(exclude_none=True)
    bounds = [f"{name}={value}" for name, value in limits.items()]
    state = "valid" if key.is_valid(now_ms) else "revoked" if key.revoked_ms else "expired"
    words = [key.id, key.caller, state, ",".join(key.scopes), f"up to {key.highest_priority}"]
    return "  ".join([*words, *bounds])


def check_caller(name: str) -> None:
    """Raise BadParameter for a name that cannot be part of Redis keys and logs."""
    if not re.match(CALLER, name):
        raise typer.BadParameter(
            f"{name!r}: a caller's name has 1 to 40 of a-z, 0-9, - and _, first a letter or digit"
        )


def open_jobs(data: Path | None) -> closing[JobStore]:
    """Connect to the service's Redis. Raises SettingsError when there is no address."""
    return closing(JobStore.connect(read_settings(data).broker_url()))
