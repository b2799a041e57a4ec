"""Commands on sessions of web pages.

Key in Redis: `session:{digest}`, the id of the session's API key, which expires with the session.
"""

from __future__ import annotations

from service.stores.job_store.commands import Command


def put_session(digest: str, key_id: str, lifetime_ms: int) -> Command[str]:
    """Store a new session of a key."""
    arguments = {"digest": digest, "key_id": key_id, "ms": lifetime_ms}
    return Command("put_session", arguments, str)


def read_session(digest: str) -> Command[str | None]:
    """Return the id of a session's key; None if there is no such session."""
    return Command("read_session", {"digest": digest}, lambda reply: reply or None)


def end_session(digest: str) -> Command[str]:
    """Delete a session."""
    return Command("end_session", {"digest": digest}, str)
