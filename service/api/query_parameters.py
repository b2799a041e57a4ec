"""Reject unknown query parameters, and repeated ones that are not declared as lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi._compat import ModelField
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from service.errors import did_you_mean
from service.submission.field_problems import MAX_PROBLEMS


async def reject_unexpected_parameters(request: Request) -> None:
    """Reject what FastAPI ignores: an unknown parameter, and all but the last of several values.

    A dependency of every route.

    Raises:
        RequestValidationError: names such parameters, at most 50.
    """
    route = request.scope.get("route")
    if not request.scope["query_string"] or not isinstance(route, APIRoute):
        return
    counts = Counter(name for name, _ in request.query_params.multi_items())
    known = {field.alias: field for field in route.dependant.query_params}
    problems = (
        {"type": "unexpected_parameter", "loc": ("query", name), "msg": message}
        for name, count in counts.items()
        for message in _problems(name, count, known)
    )
    errors = list(islice(problems, MAX_PROBLEMS))
    if errors:
        raise RequestValidationError(errors)


def _problems(name: str, count: int, known: dict[str, ModelField]) -> Iterator[str]:
    if name not in known:
        allowed = f"allowed are {', '.join(known)}" if known else "this route has none"
        yield f"there is no such parameter{did_you_mean(name, known)}; {allowed}"
    elif count > 1 and not _is_list(known[name].field_info.annotation):
        yield f"was sent {count} times; send it once"


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
