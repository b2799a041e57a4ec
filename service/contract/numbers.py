"""Whole numbers as JSON has them: 5.0 is as whole as 5."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator


def _without_point(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Comes last among a number's annotations, so that its bounds are known as those of an integer.
WHOLE = BeforeValidator(_without_point)
