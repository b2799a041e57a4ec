"""Look-ups that hang hold threads, whose number is limited."""

from __future__ import annotations

import asyncio
import socket
from threading import Event, Lock
from typing import Any

import pytest

from service.outbound.guard import CALLER_ID, Resolver
from tests.servers import GUARD_S, wait_until

AT_ONCE = 3
real = socket.getaddrinfo


class Silence:
    """Name servers that do not answer until released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self.answer = Event()
        self._now = 0
        self._lock = Lock()

    def __call__(self, host: str, port: int, **more: Any) -> Any:
        with self._lock:
            self.asked.append(host)
            self._now += 1
            self.most = max(self.most, self._now)
        self.answer.wait(GUARD_S)
        with self._lock:
            self._now -= 1
        return real("127.0.0.1", port, **more)


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Silence:
    silent = Silence()
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    return silent


def test_caller_whose_names_hang_leaves_threads_to_others(silence: Silence) -> None:
    async def ask() -> list[str]:
        resolver = Resolver(AT_ONCE, max_per_caller=2)
        CALLER_ID.set("ann")
        flood = [asyncio.create_task(resolver(f"{n}.example", 443)) for n in range(3 * AT_ONCE)]
        await asyncio.to_thread(wait_until, lambda: len(silence.asked) == 2, "its share")
        for task in flood[:2]:
            task.cancel()  # their look-ups continue
        CALLER_ID.set("ben")
        other = asyncio.create_task(resolver("other.example", 443))
        await asyncio.to_thread(wait_until, lambda: "other.example" in silence.asked, "the other")
        assert len(silence.asked) == 3
        silence.answer.set()
        await asyncio.gather(*flood[2:])  # the share is free again after each look-up
        return await other

    assert asyncio.run(ask()) == ["127.0.0.1"]
    assert silence.most == 3


def test_abandoned_lookups_count_against_the_limit(silence: Silence) -> None:
    async def ask() -> list[str]:
        resolver = Resolver(AT_ONCE)
        flood = [asyncio.create_task(resolver(f"{n}.example", 443)) for n in range(3 * AT_ONCE)]
        await asyncio.to_thread(wait_until, lambda: len(silence.asked) == AT_ONCE, "all threads")
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        late = asyncio.create_task(resolver("late.example", 443))
        await asyncio.wait((late,), timeout=0.05)
        assert not late.done()
        silence.answer.set()
        return await late

    assert asyncio.run(ask()) == ["127.0.0.1"]
    assert silence.most == AT_ONCE
    # Look-ups that had not started when canceled never start.
    assert silence.asked == ["0.example", "1.example", "2.example", "late.example"]
