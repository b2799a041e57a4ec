"""A query parameter is sent once, unless it is described as a list."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


def sent_once(request: Request) -> None:
    """Refuse a parameter with several values; FastAPI would take the last without a word.

    A dependency of every route. What a route does not describe is passed over, as FastAPI does.

    Raises:
        RequestValidationError: names each such parameter.
    """
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    sent = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [
        {"type": "sent_once", "loc": ("query", field.alias), "msg": _told(sent[field.alias])}
        for field in route.dependant.query_params
        if sent[field.alias] > 1 and not _is_list(field.field_info.annotation)
    ]
    if wrong:
        raise RequestValidationError(wrong)


def _told(times: int) -> str:
    return f"was sent {times} times; send it once"


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
