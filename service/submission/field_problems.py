"""pydantic's errors as problems of named fields, in words for callers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel

from service.contract.callers import CALLER
from service.contract.options import METADATA_PAIR
from service.contract.params import CANVAS
from service.contract.requests import INPUT_URL, UPLOAD_ID
from service.errors import did_you_mean

# By pydantic's type of error; formatted with the error's context. Other types keep their message.
WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
    "json_invalid": "is not valid JSON: {error}",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "timezone_aware": "needs a time zone, as in 2026-11-22T10:00:00Z",
}
PATTERNS: Mapping[str, str] = {
    CALLER: "must be a caller's name: lower-case letters, digits, - and _, at most 40",
    UPLOAD_ID: "must be the id of an upload, 32 hexadecimal digits from POST /uploads",
    METADATA_PAIR: "must be name=value, such as shot=12",
    CANVAS: "must be width and height in pixels, such as 1280x720",
    INPUT_URL: "must be an http or https URL, or a data: URL",
}
# Problems in an answer: describing the thousands that fit into a request takes seconds.
MAX_PROBLEMS = 50
# Values up to this length are repeated in the message.
MAX_SHOWN = 40


def field_problems(
    errors: Iterable[Any], whole: str, model: type[BaseModel] | None = None
) -> list[dict[str, Any]]:
    """Convert pydantic's first 50 errors to one entry each; errors of no field name the `whole`.

    Args:
        model: the model that was validated; unknown fields are answered with its nearest field.
    """
    return [
        {
            "field": ".".join(str(step) for step in error["loc"]) or whole,
            "detail": _words(error) + _hint(error, model),
        }
        for error in islice(errors, MAX_PROBLEMS)
    ]


def summary(problems: Iterable[Mapping[str, Any]]) -> str:
    """Return all problems as one sentence."""
    return "; ".join(f"{entry['field']}: {entry['detail']}" for entry in problems)


def _words(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, and the value if it is short."""
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        words = PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    elif error["type"] in WORDS:
        words = WORDS[error["type"]].format(**context)
    else:
        return str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    is_shown = isinstance(value, str | int | float) and len(repr(value)) <= MAX_SHOWN
    return f"{words}, got {value!r}" if is_shown and error["type"] != "extra_forbidden" else words


def _hint(error: Mapping[str, Any], model: type[BaseModel] | None) -> str:
    if error["type"] != "extra_forbidden" or model is None:
        return ""
    *path, name = error["loc"]
    for step in path:
        nested = _nested_model(model, step)
        if nested is None:
            return ""
        model = nested
    for outer in model.model_fields:
        nested = _nested_model(model, outer)
        if nested is not None and name in nested.model_fields:
            return f"; did you mean '{outer}.{name}'?"
    return did_you_mean(str(name), model.model_fields)


def _nested_model(model: type[BaseModel], name: Any) -> type[BaseModel] | None:
    """Return the model of a field that is one, such as `JobParams` for `params`."""
    field = model.model_fields.get(name)
    if field is None:
        return None
    kinds = (field.annotation, *get_args(field.annotation))
    nested = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return nested[0] if nested else None
