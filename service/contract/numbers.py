"""Integers in JSON: 5.0 is accepted as 5."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def _float_to_int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Must be the last annotation, so that the bounds before it appear in the JSON schema.
WHOLE = BeforeValidator(_float_to_int)
