"""A worker on several devices loses one of its processes, or dies before them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from service.input_limits import InputLimits
from service.settings import Settings
from service.stores.job_store.store import JobStore
from tcan_core.errors import PeerError, PeerLostError
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests.recovery import repeated_steps
from tests.servers import wait_until
from tests.worker.real_workers import RealWorkers, real_workers
from tests.worker.test_animator import Attempt
from tests.worker.test_kills import frames_of
from worker.animator import TcanAnimator

FRAMES, STEPS = 44, 10
NOTICED_S = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, one_thread_each: None) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, seed=FIRST_TEST_SEED + 700, num_frames=FRAMES, size=64)
    return folder


@contextmanager
def on_devices(more: str) -> Iterator[tuple[TcanAnimator, int, threading.Event]]:
    """Load an animator on the CPU and another device; yield it, that peer's pid and its loss."""
    lost = threading.Event()
    animator = TcanAnimator("mini", "cpu", InputLimits(), more_devices=(more,), on_loss=lost.set)
    animator.load()
    assert animator._peers is not None
    [peer] = animator._peers._peers
    try:
        yield animator, peer.process.pid, lost
    finally:
        animator.close()


def test_missing_device_is_reported_at_the_start() -> None:
    with pytest.raises(PeerLostError, match=r"process on cuda:7 ended with 1 while it loaded"):
        with on_devices("cuda:7"):
            pass


def test_failure_of_the_peer_process_fails_only_the_job(pair: Path, tmp_path: Path) -> None:
    """A device without memory for contents: the model loads there, and no prediction comes back."""
    with on_devices("meta") as (animator, _, lost):
        job = Attempt(animator, pair, tmp_path)
        job.prepare(pair / "driving_pose.json")
        for _ in range(2):
            with pytest.raises(PeerError, match="its log says why"):
                job.render()
        assert not lost.is_set()


def test_idle_worker_notices_a_dead_peer_process_at_once() -> None:
    with on_devices("cpu") as (_, peer, lost):
        os.kill(peer, signal.SIGKILL)
        assert lost.wait(NOTICED_S)


def test_render_ends_at_once_when_the_peer_process_dies(pair: Path, tmp_path: Path) -> None:
    with on_devices("cpu") as (animator, peer, lost):
        job = Attempt(animator, pair, tmp_path)
        job.prepare(pair / "driving_pose.json")

        def note(step: AnimateProgress) -> None:
            if step.stage == "denoise":
                os.kill(peer, signal.SIGKILL)

        job.note = note  # type: ignore[method-assign]
        with pytest.raises(PeerLostError):
            job.render()
        assert lost.wait(NOTICED_S)


@pytest.fixture
def world(
    settings: Settings, jobs: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealWorkers]:
    """Two workers of two processes each."""
    monkeypatch.setenv("TCAN_DEVICES", "cpu,cpu")
    with real_workers(settings, jobs, tmp_path) as workers:
        wait_until(workers.all_ready, "both workers are ready")
        yield workers


def peer_of(worker: int) -> int:
    """Return the id of a worker's one peer process."""
    children = Path(f"/proc/{worker}/task").glob("*/children")
    processes = [
        int(child)
        for file in children
        for child in file.read_text().split()
        if b"peer_process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    [peer] = processes
    return peer


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_job_survives_the_processes_of_its_worker(
    world: RealWorkers, pair: Path, tmp_path: Path
) -> None:
    """Killed: its further process; the worker itself; drained: the worker."""
    undisturbed = frames_of(world, world.submit(pair, steps=STEPS), tmp_path)
    assert len(undisturbed) == FRAMES
    for of_companion, how in (
        (True, signal.SIGKILL),
        (False, signal.SIGKILL),
        (False, signal.SIGTERM),
    ):
        wait_until(world.all_ready, "both workers are ready")
        job_id = world.submit(pair, steps=STEPS)
        record = wait_until(partial(world.at_step, job_id, 3), "step 3")
        assert record is not None and record.worker is not None
        peer = peer_of(int(record.worker.split("-")[-2]))
        if of_companion:
            os.kill(peer, how)
            worker = world.replace_holder(record, signal.SIGCONT)  # it goes by itself
            assert worker.wait(NOTICED_S) == 1
        else:
            worker = world.replace_holder(record, how)
            assert worker.wait(10.0) == (0 if how is signal.SIGTERM else -how)
        wait_until(partial(is_gone, peer), "the further process ended", NOTICED_S)
        assert np.array_equal(frames_of(world, job_id, tmp_path), undisturbed)
        assert repeated_steps(world.story(job_id)) <= (0 if how is signal.SIGTERM else 2)
