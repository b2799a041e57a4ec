"""Objects of jobs that were never made are erased; a live job's never, nor another service's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.contract.job import new_job_id
from service.maintenance.orphans import MARKS, MIN_AGE_S, OrphanSweeper
from service.settings import Settings
from service.stores.job_store import retention, uploads
from service.stores.job_store.store import JobStore
from service.stores.job_store.uploads import Upload
from service.stores.object_store.base import Copy, ObjectStore
from service.stores.object_store.folder import FolderObjects
from service.stores.object_store.open import open_objects
from tests.servers import S3Server
from tests.worker.conftest import Desk
from worker.job_runner import JobRunner

# Everything is older than that, whatever the clocks say.
ANY_AGE_S = -60.0


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Each store in turn, without marks."""
    if request.param == "folder":
        return open_objects(Settings(data=tmp_path / "data"))
    server: S3Server = request.getfixturevalue("s3_server")
    store = open_objects(server.settings(tmp_path))
    forget_marks(store)
    return store


def forget_marks(objects: ObjectStore) -> None:
    for name in list(objects.folders(MARKS)):
        objects.delete(f"{MARKS}/{name}")


def abandoned(objects: ObjectStore) -> str:
    """Store the image of a submit that failed before its record was written."""
    key = f"jobs/{new_job_id()}/inputs/image.png"
    objects.put(key, b"me")
    return key


def test_inputs_without_a_job_are_erased_after_an_hour(
    jobs: JobStore, objects: ObjectStore, runner: JobRunner, tmp_path: Path
) -> None:
    live, orphan = Desk(jobs, objects, runner, tmp_path).submit(), abandoned(objects)
    objects.put("jobs/mine/notes.txt", b"no job's")
    OrphanSweeper(jobs, objects, MIN_AGE_S).sweep()
    assert objects.exists(orphan)
    OrphanSweeper(jobs, objects, ANY_AGE_S).sweep()
    assert not objects.exists(orphan)
    assert objects.exists(f"jobs/{live}/inputs/image.png")
    assert objects.exists("jobs/mine/notes.txt")


def test_file_that_came_after_its_upload_had_ended_is_erased_after_an_hour(
    jobs: JobStore, objects: ObjectStore
) -> None:
    live, late = (Upload(id=new_job_id(), caller="me", max_bytes=9) for _ in range(2))
    jobs.run(uploads.register_upload(live, 60_000))
    keys = (live.key, late.key, f"{late.folder_of_parts}/1")
    for key in keys:
        objects.put(key, b"sent by the form")
    OrphanSweeper(jobs, objects, MIN_AGE_S).sweep()
    assert [objects.exists(key) for key in keys] == [True, True, True]
    OrphanSweeper(jobs, objects, ANY_AGE_S).sweep()
    assert [objects.exists(key) for key in keys] == [True, False, False]


@pytest.mark.long
def test_rounds_are_bounded_and_reach_every_object(jobs: JobStore, objects: ObjectStore) -> None:
    keys = [abandoned(objects) for _ in range(5)]
    orphans = OrphanSweeper(jobs, objects, ANY_AGE_S, batch=2)
    remaining = []
    # Others' folders lie there as well: earlier tests share the bucket.
    for _ in range(len(list(objects.folders("jobs")))):
        remaining.append(sum(objects.exists(key) for key in keys))
        orphans.sweep()
    assert max(before - after for before, after in zip(remaining, remaining[1:], strict=False)) <= 2
    assert not any(objects.exists(key) for key in keys)


def test_objects_of_another_job_store_are_kept(jobs: JobStore, objects: ObjectStore) -> None:
    orphans, first = OrphanSweeper(jobs, objects, ANY_AGE_S), abandoned(objects)
    orphans.sweep()
    assert not objects.exists(first)
    # The job store lost everything, or the settings name another one.
    jobs.redis.flushall()
    second = abandoned(objects)
    orphans.sweep()
    assert objects.exists(second)
    forget_marks(objects)
    orphans.sweep()
    assert not objects.exists(second)


def test_copy_has_the_age_of_its_own_creation(objects: ObjectStore, tmp_path: Path) -> None:
    source, copy = f"uploads/{new_job_id()}/file", f"jobs/{new_job_id()}"
    objects.put(source, b"me")
    if isinstance(objects, FolderObjects):
        os.utime(objects.path(source), (1, 1))
    objects.put_new({f"{copy}/inputs/image.png": Copy(source, objects.version(source).tag)})
    age_s = objects.age_s(copy)
    assert age_s is not None and abs(age_s) < 60
    assert objects.age_s(f"jobs/{new_job_id()}") is None


def test_store_identity_does_not_change(jobs: JobStore) -> None:
    assert jobs.run(retention.store_identity("a")) == "a"
    assert jobs.run(retention.store_identity("b")) == "a"
