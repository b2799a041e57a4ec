"""Pages of a list: cursors and the `Link` header."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from service.contract.job import JobRecord
from service.stores.job_store.commands import Cursor

CURSOR = r"^([0-9]{1,15})-([0-9a-f]{32})$"


def read_cursor(text: str) -> Cursor:
    """The cursor in an address that fits `CURSOR`."""
    created_ms, job_id = text.split("-")
    return Cursor(int(created_ms), job_id)


def next_page(
    path: str, query: Sequence[tuple[str, str]], records: Sequence[JobRecord], limit: int
) -> str | None:
    """The address of the page behind these records; None when they are the last.

    Args:
        query: of this page; its cursor is replaced.
    """
    if len(records) < limit:
        return None
    last = records[-1]
    kept = [(name, value) for name, value in query if name != "cursor"]
    return f"{path}?{urlencode([*kept, ('cursor', f'{last.created_ms}-{last.id}')])}"
