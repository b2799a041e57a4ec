"""Reject repeated query parameters, except those declared as lists."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


def reject_repeated_parameters(request: Request) -> None:
    """Reject a parameter with several values, of which FastAPI would silently use the last.

    A dependency of every route. Unknown parameters are ignored, as FastAPI does.

    Raises:
        RequestValidationError: names each repeated parameter.
    """
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    counts = Counter(name for name, _ in request.query_params.multi_items())
    errors = [
        {
            "type": "repeated_parameter",
            "loc": ("query", field.alias),
            "msg": f"was sent {counts[field.alias]} times; send it once",
        }
        for field in route.dependant.query_params
        if counts[field.alias] > 1 and not _is_list(field.field_info.annotation)
    ]
    if errors:
        raise RequestValidationError(errors)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
