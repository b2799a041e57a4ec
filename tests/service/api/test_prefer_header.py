"""The header `Prefer: wait=N`, which its sender may make as long as a head."""

from __future__ import annotations

import pytest

from service.api.long_poll import MAX_WAIT_S, requested_wait_s
from service.api.server.refusals import MAX_HEAD_BYTES


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        (None, None),
        ("", None),
        ("wait", MAX_WAIT_S),
        ("wait=5", 5),
        ('WAIT = "5"', 5),
        ("respond-async, wait=10; foo=bar", 10),
        ("wait=999999999", MAX_WAIT_S),
        ("wait=0", None),
        ("waiting=5", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("x; wait=5", None),
    ],
)
def test_wait_is_read(prefer: str | None, wait_s: int | None) -> None:
    assert requested_wait_s(prefer) == wait_s


@pytest.mark.parametrize("filler", [" ", ",", "wait,", "wait ", '"', "9"])
def test_long_header_is_read_in_linear_time(filler: str) -> None:
    """A pattern that tries every split of the spaces would take minutes."""
    assert requested_wait_s(f"x wait{filler * (MAX_HEAD_BYTES // len(filler))}x, wait=7") in (7, 60)
