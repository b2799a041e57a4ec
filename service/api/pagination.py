"""Pagination of lists: cursors and links to the next page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BeforeValidator

from service.stores.job_store.commands import Cursor

CURSOR = r"^([0-9]{1,15})-([0-9a-f]{32})$"


def _require_cursor(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(CURSOR, value):
        raise ValueError("must be the cursor in `next` of the previous page")
    return value


PageCursor = Annotated[
    str | None,
    Query(pattern=CURSOR, description="Cursor from `next` of the previous page."),
    BeforeValidator(_require_cursor),
]
# OpenAPI description of the link to the next page.
PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, as `<...>; rel="next"`.',
                "schema": {"type": "string"},
            }
        }
    }
}


def read_cursor(text: str) -> Cursor:
    """Parse a cursor that matches `CURSOR`."""
    created_ms, name = text.split("-")
    return Cursor(int(created_ms), name)


def next_page(path: str, query: Sequence[tuple[str, str]], following: Cursor | None) -> str | None:
    """Return the URL of the page after this one, or None after the last page.

    Args:
        query: this page's query parameters; the cursor is replaced.
        following: cursor of the next page; None after the last one.
    """
    if following is None:
        return None
    cursor = f"{following.created_ms}-{following.id}"
    parameters = [(name, value) for name, value in query if name != "cursor"]
    return f"{path}?{urlencode([*parameters, ('cursor', cursor)])}"
