"""Callers whose receivers hang do not delay callers whose receivers answer."""

from __future__ import annotations

from collections import Counter

import pytest

from service.stores.job_store import counts, deliveries
from service.stores.job_store.deliveries import LEVELS, NEW
from service.stores.job_store.store import JobStore
from service.webhooks.deliverer import MAX_PER_CALLER as LIMIT
from service.webhooks.deliverer import PLACES, SHARES, SLOW_S, next_level
from tests.servers import wait_until
from tests.service.receiver import receiving
from tests.service.webhooks.test_slow_receivers import CLAIM_MS, attempts, canceled, delivering

LEVELS_KEY = "tcan:webhooks:levels"
NOWHERE = "http://127.0.0.1:9/"
STRANGERS = 3 * PLACES[NEW]


def strangers(jobs: JobStore, url: str) -> list[str]:
    """Let a message of each of many new callers be due."""
    return [job_id for n in range(STRANGERS) for job_id in canceled(jobs, url, f"stranger{n}-")]


def with_level(jobs: JobStore, level: int, count: int) -> None:
    """Let a message of each of some callers of a level be due."""
    for n in range(count):
        jobs.redis.hset(LEVELS_KEY, f"level{level}-{n}-", str(level))
        canceled(jobs, NOWHERE, f"level{level}-{n}-")


def claimed(jobs: JobStore, places: list[int], **sending: int) -> list[str]:
    """Return the callers whose messages are claimed."""
    messages = jobs.run(deliveries.claim(places, CLAIM_MS, SHARES, sending))
    return [message.delivery.caller for message in messages]


def test_caller_that_answers_waits_for_none_of_many_that_hang(
    redis_url: str, jobs: JobStore
) -> None:
    with receiving() as hanging, receiving() as good:
        hanging.answers_now.clear()

        def act() -> None:
            [first] = canceled(jobs, good.url, "good")
            wait_until(lambda: attempts(jobs, first), "it has answered once")
            strangers(jobs, hanging.url)
            wait_until(lambda: len(hanging.messages) == PLACES[NEW], "they hold their places")
            canceled(jobs, good.url, "good", 2 * LIMIT, prefix="later")
            wait_until(lambda: len(good.messages) == 1 + 2 * LIMIT, "all of the good one's arrive")
            assert len(hanging.messages) == PLACES[NEW]

        delivering(redis_url, act)


def test_new_caller_gets_the_next_place_before_many_that_wait(
    redis_url: str, jobs: JobStore
) -> None:
    now_s = [0.0]
    with receiving() as hanging, receiving() as good:
        hanging.answers_now.clear()
        strangers(jobs, hanging.url)

        def act() -> None:
            wait_until(lambda: len(hanging.messages) == PLACES[NEW], "they hold their places")
            canceled(jobs, good.url, "new")
            now_s[0] += SLOW_S
            wait_until(lambda: good.messages, "the new one's arrives")
            assert len(hanging.messages) <= 2 * PLACES[NEW] < STRANGERS

        delivering(redis_url, act, monotonic_s=lambda: now_s[0])


@pytest.mark.long
def test_receivers_that_answer_again_are_no_longer_slow(redis_url: str, jobs: JobStore) -> None:
    now_s = [0.0]
    with receiving() as receiver:
        receiver.answers_now.clear()
        callers = [f"slow{n}-" for n in range(PLACES[NEW])]
        held_up = [job_id for caller in callers for job_id in canceled(jobs, receiver.url, caller)]

        def act() -> None:
            wait_until(lambda: len(receiver.messages) == PLACES[NEW], "all of them hang")
            now_s[0] += SLOW_S
            receiver.answers_now.set()
            wait_until(lambda: all(attempts(jobs, one) for one in held_up), "they end")
            assert set(jobs.redis.hvals(LEVELS_KEY)) == {str(NEW + 1)}
            later = [
                one for name in callers for one in canceled(jobs, receiver.url, name, 1, name * 2)
            ]
            wait_until(lambda: all(attempts(jobs, one) for one in later), "the next ones arrive")
            assert set(jobs.redis.hvals(LEVELS_KEY)) == {"0"}

        delivering(redis_url, act, monotonic_s=lambda: now_s[0])


def test_level_rises_with_slow_attempts_and_falls_with_a_quick_one() -> None:
    assert [next_level(level, is_slow=True) for level in range(LEVELS)] == [1, 2, 3, 3]
    assert {next_level(level, is_slow=False) for level in range(LEVELS)} == {0}


@pytest.mark.parametrize(
    ("waiting", "started"),
    [
        ((33, 1, 1, 1), (32, 0, 0, 0)),
        ((20, 13, 1, 1), (20, 12, 0, 0)),
        ((0, 17, 1, 1), (0, 16, 0, 0)),
        ((30, 1, 2, 1), (30, 1, 1, 0)),
        ((0, 0, 3, 5), (0, 0, 3, 4)),
        ((0, 0, 9, 0), (0, 0, 8, 0)),
    ],
)
def test_each_level_has_half_of_the_places_of_the_one_before(
    jobs: JobStore, waiting: tuple[int, ...], started: tuple[int, ...]
) -> None:
    for level, count in enumerate(waiting):
        with_level(jobs, level, count)
    stats = jobs.run(counts.service_stats())
    assert (tuple(stats.webhook_callers), stats.pending_messages) == (waiting, sum(waiting))
    found = Counter(caller.partition("-")[0] for caller in claimed(jobs, PLACES))
    assert tuple(found[f"level{level}"] for level in range(LEVELS)) == started


def test_callers_of_the_last_level_take_turns(jobs: JobStore) -> None:
    with_level(jobs, 2, 3)
    with_level(jobs, 3, 3)
    assert claimed(jobs, [1, 1, 1, 1]) == ["level2-2-"]
    assert claimed(jobs, [4, 4, 4, 4]) == ["level2-1-", "level2-0-", "level3-0-", "level3-1-"]


def test_share_of_a_caller_halves_with_each_level(jobs: JobStore) -> None:
    for level in range(LEVELS):
        jobs.redis.hset(LEVELS_KEY, f"level{level}", str(level))
        canceled(jobs, NOWHERE, f"level{level}", LIMIT + 1)
    many = [99] * LEVELS
    assert Counter(claimed(jobs, many)) == {"level0": 8, "level1": 4, "level2": 2, "level3": 1}
    assert claimed(jobs, many, level0=8, level1=4, level2=2, level3=1) == []


def test_next_place_goes_to_the_caller_with_the_fewest_attempts(jobs: JobStore) -> None:
    for caller in ("first", "second", "third"):
        jobs.redis.hset(LEVELS_KEY, caller, "0")
        canceled(jobs, NOWHERE, caller, 2 * LIMIT)
    assert claimed(jobs, [4] * LEVELS, first=LIMIT, second=3, third=1) == [
        "third",
        "third",
        "third",
        "second",
    ]
    assert claimed(jobs, [3] * LEVELS) == ["third", "second", "first"]
    assert claimed(jobs, PLACES, second=LIMIT, third=LIMIT) == ["first"] * LIMIT
    assert claimed(jobs, PLACES, first=LIMIT, second=LIMIT, third=LIMIT) == []


def test_claim_skips_caller_with_thousands_of_messages(jobs: JobStore) -> None:
    jobs.redis.zadd("tcan:deliveries:due:busy", {f"b{n}:1": n for n in range(5000)})
    jobs.redis.zadd("tcan:deliveries:callers", {"busy": 0})
    canceled(jobs, NOWHERE, "other")
    assert claimed(jobs, PLACES, busy=LIMIT) == ["other"]
