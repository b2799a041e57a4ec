"""Codes of the core and of the service are the same ones."""

from __future__ import annotations

import inspect

from service.contract.errors import ErrorCode
from tcan_core import errors


def test_every_code_has_a_status_and_a_title() -> None:
    assert all(400 <= code.http_status < 600 and code.problem_title for code in ErrorCode)


def test_every_input_error_of_the_core_has_a_code_of_the_service() -> None:
    refusals = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.InputError)
    ]
    assert len(refusals) >= 5
    assert {kind.code for kind in refusals} <= {code.value for code in ErrorCode}
