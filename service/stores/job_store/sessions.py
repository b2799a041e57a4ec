"""Commands on sessions of web pages.

Keys in Redis: `session:{digest}`, the id of the session's API key, which expires with the session;
`sessions:of:{key id}`, the digests of a key's sessions by the time at which they end.
"""

from __future__ import annotations

from service.stores.job_store.commands import Command

SESSIONS_PER_KEY = 100


def put_session(digest: str, key_id: str, lifetime_ms: int) -> Command[str]:
    """Store a new session of a key, which ends the oldest of more than `SESSIONS_PER_KEY`."""
    arguments = {
        "digest": digest,
        "key_id": key_id,
        "ms": lifetime_ms,
        "max_sessions": SESSIONS_PER_KEY,
    }
    return Command("put_session", arguments, str)


def read_session(digest: str) -> Command[str | None]:
    """Return the id of a session's key; None if there is no such session."""
    return Command("read_session", {"digest": digest}, lambda reply: reply or None)


def end_session(digest: str) -> Command[str]:
    """Delete a session."""
    return Command("end_session", {"digest": digest}, str)
