"""Group commit: inputs of many requests are stored with few syncs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from service.errors import UnavailableError
from service.stores.object_store.base import Copy, New, ObjectChangedError
from service.stores.object_store.durable import sync_all, sync_each
from service.stores.object_store.folder import FolderObjects
from service.stores.object_store.open import open_objects
from service.stores.object_store.writer import FolderWriter, ThreadWriter, open_writer
from tests.servers import GUARD_S, S3Server


class RecordingFolder(FolderObjects):
    """A folder store that records its calls; the first sync waits for `resume`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, lambda: b"key")
        self.snapshot = 0
        self.synced: list[list[str]] = []
        self.busy, self.resume = threading.Event(), threading.Event()

    def place(self, objects: Mapping[str, New]) -> None:
        super().place(objects)
        self.snapshot += 1

    def sync(self, keys: Iterable[str]) -> None:
        self.synced.append(list(keys))
        self.busy.set()
        assert self.resume.wait(GUARD_S)
        super().sync(self.synced[-1])


def key(number: int) -> str:
    return f"jobs/j{number}/inputs/driving.json"


def test_requests_during_a_sync_share_the_next_sync(tmp_path: Path) -> None:
    objects = RecordingFolder(tmp_path / "objects")

    async def main() -> None:
        writer = FolderWriter(objects)
        first = asyncio.create_task(writer.put({key(0): b"0"}))
        await asyncio.to_thread(objects.busy.wait, GUARD_S)
        others = [asyncio.create_task(writer.put({key(n): b"x"})) for n in range(1, 20)]
        await asyncio.sleep(0)
        assert not first.done()
        objects.resume.set()
        await asyncio.gather(first, *others)
        await writer.close()

    asyncio.run(main())
    assert objects.synced == [[key(0)], [key(n) for n in range(1, 20)]]
    assert all(objects.exists(key(n)) for n in range(20))


def test_failure_affects_only_its_request(tmp_path: Path) -> None:
    objects = RecordingFolder(tmp_path / "objects")
    objects.resume.set()

    async def main() -> list[BaseException | None]:
        writer = FolderWriter(objects)
        bad: dict[str, New] = {
            key(1): b"x",
            "jobs/j1/inputs/image.png": Copy("uploads/u/file", "1"),
        }
        became = await asyncio.gather(
            writer.put({key(0): b"x"}),
            writer.put(bad),
            writer.put({key(2): b"x"}),
            return_exceptions=True,
        )
        await writer.close()
        return list(became)

    became = asyncio.run(main())
    assert [type(each) for each in became] == [type(None), ObjectChangedError, type(None)]
    # A request's objects are stored together or not at all.
    assert [objects.exists(key(n)) for n in range(3)] == [True, False, True]


def test_canceled_request_does_not_block_others(tmp_path: Path) -> None:
    objects = RecordingFolder(tmp_path / "objects")

    async def main() -> None:
        writer = FolderWriter(objects)
        gone = asyncio.create_task(writer.put({key(0): b"0"}))
        await asyncio.to_thread(objects.busy.wait, GUARD_S)
        gone.cancel()
        objects.resume.set()
        await writer.put({key(1): b"1"})
        await writer.close()

    asyncio.run(main())
    assert objects.exists(key(1))


def test_failed_sync_fails_its_requests(tmp_path: Path) -> None:
    class Full(FolderObjects):
        def sync(self, keys: Iterable[str]) -> None:
            raise OSError(28, "No space left on device")

    async def main() -> None:
        writer = FolderWriter(Full(tmp_path / "objects", lambda: b"key"))
        for number in range(2):
            with pytest.raises(OSError, match="No space"):
                await writer.put({key(number): b"x"})
        await writer.close()

    asyncio.run(main())


def test_remote_store_writes_requests_concurrently(s3_server: S3Server, tmp_path: Path) -> None:
    objects = open_objects(s3_server.settings(tmp_path))

    async def main() -> None:
        writer = open_writer(objects)
        assert isinstance(writer, ThreadWriter)
        await asyncio.gather(*(writer.put({key(n): b"x"}) for n in range(8)))
        await writer.close()

    asyncio.run(main())
    assert all(objects.exists(key(n)) for n in range(8))


def test_request_fails_after_waiting_for_slow_store(tmp_path: Path) -> None:
    class Slow(FolderObjects):
        busy, resume = threading.Event(), threading.Event()

        def put_new(self, objects: Mapping[str, New]) -> None:
            self.busy.set()
            assert self.resume.wait(GUARD_S)
            super().put_new(objects)

    objects = Slow(tmp_path / "objects", lambda: b"key")

    async def main() -> None:
        writer = ThreadWriter(objects, writers=1, patience_s=0.05)
        gone = asyncio.create_task(writer.put({key(0): b"0"}))
        await asyncio.to_thread(objects.busy.wait, GUARD_S)
        # The request is canceled; its thread still writes.
        gone.cancel()
        with pytest.raises(UnavailableError, match=r"0\.05 s passed without"):
            await writer.put({key(1): b"1"})
        objects.resume.set()
        while not objects.exists(key(2)):
            with suppress(UnavailableError):  # the thread may still be at its first request
                await writer.put({key(2): b"2"})
        await writer.close()

    asyncio.run(main())
    assert [objects.exists(key(n)) for n in range(3)] == [True, False, True]


@pytest.mark.parametrize("sync", [sync_all, sync_each])
def test_files_and_parent_folders_are_synced(
    sync: Callable[[list[Path], Path], None], tmp_path: Path
) -> None:
    file = tmp_path / "jobs" / "a" / "f"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    sync([file], tmp_path)
    with pytest.raises(FileNotFoundError):
        sync([tmp_path / "gone" / "f"], tmp_path / "gone")
