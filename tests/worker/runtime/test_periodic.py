"""Functions that a thread calls again and again."""

from __future__ import annotations

import threading

from tests.servers import GUARD_S
from worker.runtime.periodic import Periodic


def test_function_with_more_to_do_is_called_again_at_once() -> None:
    calls, has_ended = [True, True, True, False], threading.Event()

    def act() -> bool:
        has_more = calls.pop(0)
        if not has_more:
            has_ended.set()
        return has_more

    # The pause outlasts the test.
    with Periodic("test", 10 * GUARD_S, act):
        assert has_ended.wait(GUARD_S)
    assert calls == []


def test_function_with_more_to_do_for_ever_ends_with_its_block() -> None:
    called = threading.Event()

    def act() -> bool:
        called.set()
        return True

    with Periodic("test", GUARD_S, act) as periodic:
        assert called.wait(GUARD_S)
    assert not periodic._thread.is_alive()
