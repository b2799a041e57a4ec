"""`tcan keys`: make, list and revoke API keys; for operators, who reach the service's Redis."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.serve import Data, read_settings
from service.contract.callers import CALLER, ApiKey, CallerLimits, Scope
from service.contract.options import Priority

if TYPE_CHECKING:
    from service.stores.job_store.store import JobStore

DAY_S = 24 * 3600
Most = Annotated[int | None, typer.Option(min=1, show_default="no bound")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
    keys.command()(create)
    keys.command("list")(list_keys)
    keys.command()(revoke)
    app.add_typer(keys, name="keys")


def create(
    caller: Annotated[str, typer.Argument(help="Who gets it; keys of one caller share its jobs.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it opens; repeatable. read and submit, when absent."),
    ] = None,
    requests_per_minute: Most = None,
    queued_jobs: Most = None,
    input_bytes_per_day: Most = None,
    driving_s_per_day: Most = None,
    highest_priority: Annotated[
        Priority, typer.Option(help="The first class of jobs that it may ask for.")
    ] = Priority.NORMAL,
    expires_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days of its life.", show_default="for ever")
    ] = None,
    data: Data = None,
) -> None:
    """Make a key, and print it; it is shown this once."""
    from service.auth.key_secrets import digest, new_secret
    from service.stores.job_store.keys import put_key

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
    jobs = open_jobs(data)
    jobs.run(put_key(key))
    jobs.close()
    typer.echo(secret)
    typer.echo(f"Key {key_id} of {caller}; keep it, it is not shown again.", err=True)


def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: Data = None,
) -> None:
    """List all keys, revoked ones too; none is shown itself."""
    from service.stores.job_store.keys import list_keys

    jobs = open_jobs(data)
    found = jobs.run(list_keys())
    jobs.close()
    if as_json:
        shown = (key.model_dump_json(exclude={"digest"}) for key in found)
        typer.echo(f"[{', '.join(shown)}]")
        return
    for key in found:
        typer.echo(line(key, time.time() * 1000))


def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from 'tcan keys list'.")],
    data: Data = None,
) -> None:
    """End a key's life: no gateway takes it a second later."""
    from service.stores.job_store.keys import revoke_key

    jobs = open_jobs(data)
    known = jobs.run(revoke_key(key_id))
    jobs.close()
    if not known:
        raise typer.BadParameter(f"there is no key {key_id!r}; 'tcan keys list' has their ids")


def line(key: ApiKey, now_ms: float) -> str:
    """A key in one line."""
    limits = key.limits.model_dump(exclude_none=True)
    shown = [f"{name}={value}" for name, value in limits.items()]
    state = "valid" if key.is_valid(now_ms) else "revoked" if key.revoked_ms else "expired"
    words = [key.id, key.caller, state, ",".join(key.scopes), f"up to {key.highest_priority}"]
    return "  ".join([*words, *shown])


def check_caller(name: str) -> None:
    """Raises BadParameter for a name that cannot be part of keys and logs."""
    import re

    if not re.match(CALLER, name):
        raise typer.BadParameter(
            f"{name!r}: a caller's name is 1 to 40 of a-z, 0-9, '-' and '_', letter or digit first"
        )


def open_jobs(data: Path | None) -> JobStore:
    """The service's Redis. Raises SettingsError when none is known."""
    from service.stores.job_store.store import JobStore

    return JobStore.connect(read_settings(data).broker_url())
