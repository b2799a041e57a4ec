"""The sweeper erases expired jobs, uploads and files, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.contract.job import new_job_id
from service.contract.params import JobParams
from service.maintenance.each import MAX_FAILURES
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.sweeper import BATCH, Sweeper
from service.settings import Settings
from service.stores.job_store import commands, retention, uploads
from service.stores.job_store.store import JobStore
from service.stores.job_store.uploads import Upload
from service.stores.object_store.base import ObjectStore
from tests.service.stores.job_store.records import INPUTS
from tests.worker.conftest import Desk


@pytest.fixture
def sweeper(jobs: JobStore, objects: ObjectStore, settings: Settings) -> Sweeper:
    return Sweeper(jobs, objects, "w1", settings.spool_folder, OrphanSweeper(jobs, objects, -60.0))


@contextmanager
def undeletable(settings: Settings, job_id: str) -> Iterator[None]:
    """Replace a job's folder by a link, which the folder store refuses to erase."""
    folder, elsewhere = settings.objects_folder / "jobs" / job_id, settings.data / job_id
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    try:
        yield
    finally:
        folder.unlink()
        elsewhere.rename(folder)


def let_time_pass(jobs: JobStore, name: str) -> None:
    """All that stands in the set has had its time."""
    for member in jobs.redis.zrange(f"tcan:{name}", 0, -1):
        jobs.redis.zadd(f"tcan:{name}", {str(member): 1})


def test_ended_job_is_erased_with_its_objects(
    desk: Desk, jobs: JobStore, objects: ObjectStore, sweeper: Sweeper
) -> None:
    live, ended = desk.submit(), desk.submit()
    jobs.run(commands.cancel(ended))
    sweeper.act()
    assert desk.record(ended).expires_ms is not None
    let_time_pass(jobs, "expiries")
    sweeper.act()
    assert jobs.run(commands.read(ended)) is None
    assert not objects.exists(f"jobs/{ended}/inputs/image.png")
    assert desk.finish(live).outputs
    assert jobs.run(commands.read(live)) is not None


def test_expired_upload_is_erased(
    jobs: JobStore, objects: ObjectStore, sweeper: Sweeper, tmp_path: Path
) -> None:
    upload = Upload(id="ab", caller="me", max_bytes=9)
    jobs.run(uploads.register_upload(upload, 60_000))
    (tmp_path / "file").write_bytes(b"x")
    objects.put(upload.key, tmp_path / "file")
    sweeper.act()
    assert objects.exists(upload.key)
    let_time_pass(jobs, "uploads:ends")
    sweeper.act()
    assert not objects.exists(upload.key)
    assert jobs.run(uploads.expired_uploads()) == []


def test_file_that_came_after_its_upload_was_deleted_is_erased(
    jobs: JobStore, objects: ObjectStore, sweeper: Sweeper
) -> None:
    upload = Upload(id="ab", caller="me", max_bytes=9)
    jobs.run(uploads.register_upload(upload, 60_000))
    jobs.run(uploads.forget_upload(upload.id, keep_end=True))
    objects.put(upload.key, b"sent by the form")
    assert jobs.run(uploads.read_uploads([upload.id])) == [None]
    assert jobs.run(uploads.list_uploads("me", 10)) == []
    let_time_pass(jobs, "uploads:ends")
    sweeper.act()
    assert not objects.exists(upload.key)
    assert jobs.run(uploads.expired_uploads()) == []


def test_files_of_killed_processes_are_erased(
    jobs: JobStore, objects: ObjectStore, sweeper: Sweeper, settings: Settings
) -> None:
    leftover = settings.spool_folder / "at-x"
    leftover.mkdir(parents=True)
    (leftover / ".lock").touch()
    orphan = f"jobs/{new_job_id()}/inputs/image.png"
    objects.put(orphan, b"me")
    sweeper.act()
    assert not leftover.exists()
    assert not objects.exists(orphan)


def test_failed_erasure_does_not_block_later_ones(
    desk: Desk, jobs: JobStore, objects: ObjectStore, sweeper: Sweeper, settings: Settings
) -> None:
    first, second = desk.submit(), desk.submit()
    for job_id in (first, second):
        jobs.run(commands.cancel(job_id))
    with undeletable(settings, first):
        for _ in range(2):
            let_time_pass(jobs, "expiries")
            sweeper.act()
            assert (jobs.run(retention.expired_jobs()), jobs.run(commands.read(second))) == (
                [],
                None,
            )
        assert jobs.run(commands.read(first)) is not None
    let_time_pass(jobs, "expiries")
    sweeper.act()
    assert jobs.run(commands.read(first)) is None


def test_orphan_that_cannot_be_erased_does_not_block_others(
    objects: ObjectStore, sweeper: Sweeper, settings: Settings
) -> None:
    names = sorted(new_job_id() for _ in range(MAX_FAILURES + 1))
    for name in names:
        objects.put(f"jobs/{name}/inputs/image.png", b"me")
    with ExitStack() as stack:
        for name in names[:MAX_FAILURES]:
            stack.enter_context(undeletable(settings, name))
        for _ in range(2):
            sweeper.act()
        assert not objects.exists(f"jobs/{names[-1]}/inputs/image.png")
    sweeper.act()
    assert list(objects.folders("jobs")) == []


def test_full_batches_follow_each_other_until_all_is_erased(
    jobs: JobStore, sweeper: Sweeper
) -> None:
    while sweeper.act():
        pass  # until all jobs are indexed
    ids = [new_job_id() for _ in range(2 * BATCH + 1)]
    for job_id in ids:
        jobs.run(commands.create(job_id, JobParams(), INPUTS))
        jobs.run(commands.cancel(job_id))
    let_time_pass(jobs, "expiries")
    assert [sweeper.act() for _ in range(3)] == [True, True, False]
    assert jobs.redis.keys("tcan:job:*") == []


def test_batch_with_failures_waits_for_the_next_round(
    jobs: JobStore, sweeper: Sweeper, settings: Settings
) -> None:
    while sweeper.act():
        pass
    ids = [new_job_id() for _ in range(BATCH)]
    for job_id in ids:
        (settings.objects_folder / "jobs" / job_id).mkdir(parents=True)
        jobs.run(commands.create(job_id, JobParams(), INPUTS))
        jobs.run(commands.cancel(job_id))
    let_time_pass(jobs, "expiries")
    with undeletable(settings, min(ids)):
        assert not sweeper.act()
