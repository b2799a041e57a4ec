"""A copy of the append-only folder made during submits, as in docs/operations.md, is a backup."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from service.contract.job import JobRecord, new_job_id
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.maintenance.orphans import OrphanSweeper
from service.settings import Settings
from service.stores.job_store import commands, retention
from service.stores.job_store.commands import GRACE_MS, SILENCE_MS
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests.servers import valkey, wait_until
from tests.service.job_driver import INPUTS, LEASE_MS, OUTPUTS

LOG = "appendonlydir"
# The key that identifies a job store.
NAME = "tcan:identity"
# Every object is older than this, even with clock skew.
ANY_AGE_S = -60.0


class Submits:
    """A thread that creates jobs continuously; records those that were accepted."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.accepted: list[str] = []

    def __enter__(self) -> Submits:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._closed.is_set():
                return
            self._jobs.run(commands.create(f"job{number}", JobParams(seed=number), INPUTS))
            self.accepted.append(f"job{number}")

    def wait_for(self, number: int) -> None:
        """Wait until this many more jobs were accepted."""
        enough = len(self.accepted) + number
        wait_until(lambda: len(self.accepted) >= enough, f"{enough} jobs are accepted")


def copy_log(jobs: JobStore, source: Path) -> bytes:
    """Back up as in docs/operations.md: stop rewrites, copy, allow rewrites."""
    jobs.redis.config_set("auto-aof-rewrite-percentage", 0)
    wait_until(lambda: jobs.redis.info("persistence")["aof_rewrite_in_progress"] == 0, "no rewrite")
    copied = subprocess.run(["tar", "-C", source, "-cf", "-", LOG], capture_output=True)
    assert copied.returncode == 0 or b"file changed as we read it" in copied.stderr, copied.stderr
    jobs.redis.config_set("auto-aof-rewrite-percentage", 100)
    return copied.stdout


def put_back(copied: bytes, folder: Path) -> None:
    """Restore into the folder of a running empty server, which must restart."""
    command = f"rm -rf {folder}/{LOG} && tar -C {folder} -xf -"
    subprocess.run(["sh", "-c", command], input=copied, check=True)


class Backup:
    """A service whose log was copied during submits, and a server on the copy.

    Attributes:
        before: jobs that were accepted before the copy began.
        at_work: a job that a worker had then, with its second stage begun.
        objects: the service's, as they were when it was lost.
        later: an object of a job that was made after the copy.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        first, second = folder / "first", folder / "second"
        first.mkdir()
        second.mkdir()
        self.objects = open_objects(Settings(data=folder / "data"))
        with valkey(first, persistent=True) as (url, _):
            jobs = JobStore.connect(url)
            self.abandoned = self._stored()
            OrphanSweeper(jobs, self.objects, ANY_AGE_S).sweep()
            with Submits(jobs) as submits:
                submits.wait_for(20)
                self.at_work = self._begin(jobs)
                jobs.redis.bgrewriteaof()
                submits.wait_for(20)
                self.before = list(submits.accepted)
                copied = copy_log(jobs, first)
                submits.wait_for(20)
            self.in_all = len(submits.accepted)
            self.later = self._stored()
            jobs.close()
        with valkey(second, persistent=True):
            put_back(copied, second)
        url, _ = stack.enter_context(valkey(second, persistent=True))
        # Only the time of leases is simulated.
        self.now_ms = self.at_work.started_ms or 0
        self.jobs = JobStore.connect(url, lambda: self.now_ms)
        stack.callback(self.jobs.close)

    def _stored(self) -> str:
        key = f"jobs/{new_job_id()}/inputs/image.png"
        self.objects.put(key, b"me")
        return key

    def _begin(self, jobs: JobStore) -> JobRecord:
        jobs.run(commands.reclaim_expired(3))
        taken = jobs.run(commands.claim_next(Queue.PREPARE, "w1", LEASE_MS))
        assert taken is not None
        jobs.run(commands.hand_over(taken.id, taken.token, Queue.RENDER, "jobs/a/p.json", []))
        begun = jobs.run(commands.claim(taken.id, Queue.RENDER, "w1", LEASE_MS))
        assert begun is not None
        return begun

    def record(self, job_id: str) -> JobRecord | None:
        snapshot = self.jobs.run(commands.read(job_id))
        return snapshot and snapshot.record


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[Backup]:
    with ExitStack() as stack:
        yield Backup(tmp_path, stack)


def test_jobs_accepted_before_backup_continue_after_restore(backup: Backup) -> None:
    jobs, held = backup.jobs, backup.at_work
    restored = {job_id: backup.record(job_id) for job_id in backup.before}
    assert all(restored.values()), restored
    assert backup.record(f"job{backup.in_all - 1}") is None
    waiting = [record for record in restored.values() if record and record.id != held.id]
    assert {record.state for record in waiting} == {JobState.QUEUED}
    assert backup.record(held.id) == held

    # After a long silence expired leases are extended once; the worker is gone.
    backup.now_ms += LEASE_MS + SILENCE_MS
    assert jobs.run(commands.reclaim_expired(3)) == []
    backup.now_ms += GRACE_MS // 2
    assert jobs.run(commands.reclaim_expired(3)) == []
    backup.now_ms += GRACE_MS // 2
    assert jobs.run(commands.reclaim_expired(3)) == [(held.id, Queue.RENDER)]
    again = jobs.run(commands.claim_next(Queue.RENDER, "w2", LEASE_MS))
    assert again is not None and (again.id, again.attempts) == (held.id, 2)
    jobs.run(commands.succeed(again.id, again.token, OUTPUTS, []))
    done = backup.record(held.id)
    assert done is not None and done.state is JobState.SUCCEEDED
    # The other jobs keep their order.
    first = jobs.run(commands.claim_next(Queue.PREPARE, "w2", LEASE_MS))
    assert first is not None and first.id in backup.before


def test_restored_store_with_new_identity_deletes_no_unknown_objects(
    backup: Backup, repository: Path
) -> None:
    jobs, orphans = backup.jobs, OrphanSweeper(backup.jobs, backup.objects, ANY_AGE_S)
    assert not backup.objects.exists(backup.abandoned)
    # The copy has the identity of the original, which owns this bucket.
    copied_name = jobs.run(retention.store_identity("new"))
    assert copied_name != "new"
    manual = (repository / "docs/operations.md").read_text()
    restoring = manual.split("**Restore**")[1]
    assert re.search(rf"valkey-cli -e DEL {NAME};.*\n(.*\n)*.*up --detach", restoring)
    assert jobs.redis.delete(NAME) == 1
    orphans.sweep()
    assert backup.objects.exists(backup.later)
    # An operator deletes the mark of the retired store.
    backup.objects.delete(f"marks/{copied_name}")
    orphans.sweep()
    assert not backup.objects.exists(backup.later)
