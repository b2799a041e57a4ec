"""Pagination of lists: cursors and links to the next page."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from service.contract.job import JobRecord
from service.stores.job_store.commands import Cursor

CURSOR = r"^([0-9]{1,15})-([0-9a-f]{32})$"


def read_cursor(text: str) -> Cursor:
    """Parse a cursor that matches `CURSOR`."""
    created_ms, job_id = text.split("-")
    return Cursor(int(created_ms), job_id)


def next_page(
    path: str, query: Sequence[tuple[str, str]], records: Sequence[JobRecord], limit: int
) -> str | None:
    """Return the URL of the page after these records, or None after the last page.

    Args:
        query: this page's query parameters; the cursor is replaced.
    """
    if len(records) < limit:
        return None
    last = records[-1]
    parameters = [(name, value) for name, value in query if name != "cursor"]
    return f"{path}?{urlencode([*parameters, ('cursor', f'{last.created_ms}-{last.id}')])}"
