"""Children are used again for one caller, and all together fit into the memory."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from anyio.abc import TaskGroup
from starlette.testclient import TestClient

from sandbox.child import Child
from sandbox.children import Sandbox
from sandbox.limits import ChildLimits
from service.api.app import create_app
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.inspection.child_pool import ChildPool, Slot
from service.inspection.decoder import Decoder
from service.settings import Settings
from service.stores.job_store.store import JobStore
from tests import samples
from tests.servers import GUARD_S
from tests.service.api_keys import bearer, new_key

LIMITS = InputLimits()
IMAGE = samples.png()
HOSTILE = "tests.sandbox.misbehave"
LONG_S = 3600.0


def test_slot_with_all_memory_is_not_overtaken() -> None:
    order: list[str] = []

    async def inspect(pool: ChildPool, name: str, size: int, end: anyio.Event) -> None:
        async with pool.slot(None, size):
            order.append(name)
            await end.wait()

    async def main() -> None:
        pool, ends = ChildPool(10), [anyio.Event() for _ in range(4)]
        group: TaskGroup
        async with anyio.create_task_group() as group:
            for name, size, end in zip("abcd", (5, 5, 10, 5), ends, strict=True):
                group.start_soon(inspect, pool, name, size, end)
                await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b"]
            ends[0].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b"]  # the free half is kept for c
            ends[1].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b", "c"]
            ends[2].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b", "c", "d"]
            ends[3].set()

    anyio.run(main)


def test_wait_for_a_slot_can_be_canceled() -> None:
    async def main() -> None:
        pool = ChildPool(10)
        async with pool.slot(None, 10):
            with anyio.move_on_after(0.01):
                async with pool.slot(None, 1):
                    raise AssertionError("there is none left")
        with anyio.fail_after(5):
            async with pool.slot(None, 10):
                pass

    anyio.run(main)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Sandbox]:
    """Return a sandbox whose children do not do what they should."""
    shared = Sandbox(HOSTILE)
    yield shared
    shared.close()


async def inspected(
    pool: ChildPool, decoder: Decoder, owner: str | None, size: int = 5, image: bytes = IMAGE
) -> Child:
    """Inspect an image; return the child that has done it."""
    async with pool.slot(owner, size) as slot:
        decoder.inspect({"image": image}, LIMITS, slot)
        assert slot.child is not None
        return slot.child


def test_child_is_used_again_for_its_caller_only(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=10, idle_s=LONG_S)
        first = await inspected(pool, decoder, "a")
        assert await inspected(pool, decoder, "a") is first
        other = await inspected(pool, decoder, "b")
        assert other is not first
        assert await inspected(pool, decoder, "a") is first
        assert await inspected(pool, decoder, "b") is other
        assert await inspected(pool, decoder, "a", size=6) is not first
        pool.close()

    anyio.run(main)


def test_child_without_an_owner_is_never_used_again(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=10, idle_s=LONG_S)
        children = [await inspected(pool, decoder, None) for _ in range(3)]
        assert len(set(children)) == 3 and all(map(is_closed, children))

    anyio.run(main)


def test_concurrent_requests_of_a_caller_have_a_child_each(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=10, idle_s=LONG_S)
        first = await inspected(pool, decoder, "a")
        async with pool.slot("a", 5) as slot:
            assert slot.child is first
            assert await inspected(pool, decoder, "a") is not first
        pool.close()
        assert is_closed(first)

    anyio.run(main)


def test_child_ends_after_its_last_request(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=3, idle_s=LONG_S)
        children = [await inspected(pool, decoder, "a") for _ in range(7)]
        assert [children.index(child) for child in children] == [0, 0, 0, 3, 3, 3, 6]
        assert is_closed(children[0]) and is_closed(children[3]) and not is_closed(children[6])
        pool.close()

    anyio.run(main)


def test_idle_child_ends_without_another_request(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=10, idle_s=0.0)
        child = await inspected(pool, decoder, "a")
        assert not is_closed(child)
        with anyio.fail_after(GUARD_S):
            while not is_closed(child):
                await anyio.lowlevel.checkpoint()
        async with pool.slot("b", 20):  # its memory is free again
            pass

    anyio.run(main)


def test_idle_children_end_for_a_request_that_needs_their_memory(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(10, max_requests=10, idle_s=LONG_S)
        children = {owner: await inspected(pool, decoder, owner) for owner in "ab"}
        assert await inspected(pool, decoder, "a") is children["a"]
        await inspected(pool, decoder, "c")
        assert is_closed(children["b"]) and not is_closed(children["a"])
        await inspected(pool, decoder, "c", size=10)
        assert is_closed(children["a"])
        pool.close()

    anyio.run(main)


def test_child_ends_with_a_file_that_is_refused(decoder: Decoder) -> None:
    async def main() -> None:
        pool = ChildPool(20, max_requests=10, idle_s=LONG_S)
        first = await inspected(pool, decoder, "a")
        with pytest.raises(RejectedError, match="not an image"):
            await inspected(pool, decoder, "a", image=b"no image")
        assert is_closed(first)
        async with pool.slot("a", 20) as slot:
            assert slot.child is None

    anyio.run(main)


@pytest.mark.parametrize(
    "target",
    [
        "refuse",
        "name_a_path",
        "count_backwards",
        "answer_twice",
        "send_invalid_json",
        "flood",
        "crash",
        "leave",
        "fail",
    ],
)
def test_used_child_that_misbehaves_is_replaced(
    decoder: Decoder, hostile: Sandbox, target: str
) -> None:
    taken_over = hostile.start_child(f"{HOSTILE}:{target}", ChildLimits())
    slot = Slot("a", 5, taken_over, requests=1)
    summary = decoder.inspect({"image": IMAGE}, LIMITS, slot)["image"]
    assert (summary.suffix, summary.detail) == (".png", "")
    assert is_closed(taken_over) and slot.child not in (None, taken_over)
    slot.close()


def test_used_child_can_only_accept_a_file(decoder: Decoder, hostile: Sandbox) -> None:
    taken_over = hostile.start_child(f"{HOSTILE}:accept", ChildLimits())
    slot = Slot("a", 5, taken_over, requests=1)
    summary = decoder.inspect({"image": b"no image"}, LIMITS, slot)["image"]
    assert (summary.suffix, slot.child) == (".webp", taken_over)
    slot.close()


def test_gateway_keeps_a_child_per_caller(folder_settings: Settings) -> None:
    with TestClient(create_app(folder_settings)) as client:
        keep_idle_children(client)
        jobs = JobStore.connect(folder_settings.broker_url())
        keys = [new_key(jobs, caller) for caller in ("ann", "bob", "ann")]
        jobs.close()
        for key in keys:
            submit_image(client, bearer(key))
        assert idle_owners(client) == ["bob", "ann"]


@pytest.mark.parametrize(
    ("anonymous", "probe_requests", "kept"),
    [("loopback", 16, ["anonymous"]), ("loopback", 1, []), ("anywhere", 16, [])],
)
def test_callers_without_a_key_are_one_caller_only_on_this_machine(
    folder_settings: Settings, anonymous: str, probe_requests: int, kept: list[str]
) -> None:
    limits = InputLimits(probe_requests=probe_requests)
    settings = folder_settings.model_copy(update={"anonymous": anonymous, "limits": limits})
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        keep_idle_children(client)
        submit_image(client, {})
        assert idle_owners(client) == kept


def submit_image(client: TestClient, headers: dict[str, str]) -> None:
    """Submit a job with an image, which a child inspects."""
    files = {"image": ("i", IMAGE), "driving": ("d", samples.poses())}
    assert client.post("/animate", files=files, headers=headers).status_code == 202


def keep_idle_children(client: TestClient) -> None:
    """Let the gateway's idle children live longer than a test on a slow machine takes."""
    client.app.state.gateway.child_pool._idle_s = LONG_S  # type: ignore[attr-defined]


def idle_owners(client: TestClient) -> list[str | None]:
    """Return the owners of the gateway's idle children."""
    return [slot.owner for slot in client.app.state.gateway.child_pool._idle]  # type: ignore[attr-defined]


def is_closed(child: Child) -> bool:
    """Return whether the parent has ended the child."""
    return child._status < 0
