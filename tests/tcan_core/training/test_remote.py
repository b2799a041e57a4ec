"""Runs whose checkpoints lie in S3: a real one, and machines that are lost.

`make test ARGS="-m slow tests/tcan_core/training/test_remote.py"` kills real processes.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tcan_core.config import save_config
from tcan_core.errors import CanceledError, ConfigError, StorageError
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.mirror import Mirror
from tcan_core.training.open_storage import open_storage
from tcan_core.training.stages import run_stage
from tcan_core.training.storage import FolderStorage, Storage, checked_name
from tests.servers import S3Server, free_port
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.torchrun import losses_of, one_node, started

STEPS = 6
KILLED_AT = 4


class KilledError(Exception):
    """Stands for the end of the machine."""


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return the address of an empty prefix in a real S3."""
    monkeypatch.setenv("TCAN_S3_ENDPOINT_URL", s3_server.endpoint_url)
    monkeypatch.setenv("TCAN_S3_ACCESS_KEY", s3_server.access_key)
    monkeypatch.setenv("TCAN_S3_SECRET_KEY", s3_server.secret_key)
    return f"s3://{s3_server.bucket}/training/{tmp_path.name}"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of storage."""
    name: str = str(tmp_path / "place")
    return open_storage(request.getfixturevalue("s3") if request.param == "s3" else name)


def machine(runs: TinyRuns, name: str) -> TinyRuns:
    """Return runs on a new machine, which has only the initial weights."""
    fresh = TinyRuns(runs.root / name, runs.cache)
    shutil.copytree(runs.parts, fresh.parts)
    return fresh


def train_on(one: TinyRuns, stage: str, kill_at: int = 0, **changes: Any) -> list[float]:
    """Run a training command on a machine, to its end or until it is killed."""
    losses: list[float] = []

    def report(step: int, steps: int, scalars: dict[str, float]) -> None:
        if step == kill_at:
            raise KilledError
        losses.append(scalars["loss"])

    config = one.root / "config.yaml"
    save_config(one.config(stage, steps=STEPS, **changes), config)
    try:
        run_stage(stage, str(config), True, report)
    except KilledError:
        pass
    return losses


def test_storage_puts_fetches_lists_and_removes_files(place: Storage, tmp_path: Path) -> None:
    file, back = tmp_path / "file", tmp_path / "new" / "back"
    file.write_bytes(b"first")
    place.put("run/a.bin", file)
    file.write_bytes(b"second")
    place.put("run/a.bin", file)
    place.put("parts/b.bin", file)

    assert place.fetch("run/a.bin", back) and back.read_bytes() == b"second"
    assert not place.fetch("run/c.bin", tmp_path / "c") and not (tmp_path / "c").exists()
    assert list(place.names()) == ["parts/b.bin", "run/a.bin"]
    assert list(place.names("run/")) == ["run/a.bin"]
    for _ in range(2):
        place.remove("parts/b.bin")
    assert list(place.names()) == ["run/a.bin"]
    for name in ("../a", "/a", "a/../../b", ""):
        with pytest.raises(StorageError, match="is not a valid name of a stored file"):
            place.put(name, file)


def test_invalid_and_unreachable_storages_raise(
    s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no bucket; write s3://bucket/prefix"):
        open_storage("s3:///prefix")
    with pytest.raises(
        ConfigError, match="gs://x: unknown scheme; use a folder or s3://bucket/prefix"
    ):
        open_storage("gs://x")
    monkeypatch.setenv("TCAN_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="s3://away/run/: the object store does not answer"):
        open_storage("s3://away/run").names()


@pytest.mark.slow
def test_a_new_machine_resumes_from_s3(runs: TinyRuns, s3: str) -> None:
    changes: dict[str, Any] = {"checkpoint_every_s": 0.0}
    expected = train_on(machine(runs, "undisturbed"), "stage1", **changes)

    losses = train_on(machine(runs, "lost"), "stage1", KILLED_AT, remote=s3, **changes)
    shutil.rmtree(runs.root / "lost")
    fresh = machine(runs, "fresh")
    losses += train_on(fresh, "stage1", remote=s3, **changes)

    assert losses == expected
    assert losses_of(fresh.root / "stage1").keys() == set(range(1, STEPS + 1))
    names = list(open_storage(s3).names())
    assert {"stage1/checkpoint.pt", "stage1/config.yaml", "parts/lora.safetensors"} <= set(names)
    assert not [name for name in names if "partial" in name]
    # The next stage, on another machine, begins from what this one has learned.
    third = machine(runs, "third")
    for part in ("reference_unet", "lora"):
        (third.parts / f"{part}.safetensors").unlink()
    assert len(train_on(third, "stage2", remote=s3)) == STEPS
    part = "parts/lora.safetensors"
    assert (third.root / part).read_bytes() == (fresh.root / part).read_bytes()


def test_a_run_writes_a_checkpoint_on_sigterm(runs: TinyRuns, s3: str) -> None:
    one = machine(runs, "asked")
    config = one.root / "config.yaml"
    save_config(one.config("stage1", steps=STEPS, remote=s3), config)

    def report(step: int, steps: int, scalars: dict[str, float]) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CanceledError, match="stopped by SIGTERM at step 3; continue with --resume"):
        run_stage("stage1", str(config), False, report)

    shutil.rmtree(one.root / "stage1")
    assert open_storage(s3).fetch("stage1/checkpoint.pt", runs.root / "kept.pt")
    assert load_checkpoint(runs.root / "kept.pt")["step"] == 3
    assert signal.getsignal(signal.SIGTERM) is before


class Away(FolderStorage):
    """A storage that does not answer while `away`."""

    away = False

    def put(self, name: str, file: Path) -> None:
        """See `Storage.put`."""
        if self.away:
            raise StorageError("no answer")
        super().put(name, file)


def test_an_unavailable_storage_is_retried(tmp_path: Path) -> None:
    run, storage = tmp_path / "run", Away(tmp_path / "place")
    mirror = Mirror(storage, {"run": run})
    run.mkdir()
    (run / "checkpoints").mkdir()
    for name in ("checkpoint.pt", "scalars", "a.partial", ".hidden", "checkpoints/0000001.pt"):
        (run / name).write_text("1")

    storage.away = True
    mirror.try_to_push()
    assert storage.names() == []
    with pytest.raises(StorageError, match="no answer"):
        mirror.push()
    storage.away = False
    mirror.push()

    assert storage.names() == ["run/checkpoint.pt", "run/scalars"]
    storage.away = True
    mirror.push()  # nothing has changed


def test_the_checkpoint_in_the_storage_takes_precedence(tmp_path: Path) -> None:
    """All machines of a run begin from the same one, whatever a disk still holds."""
    storage = FolderStorage(tmp_path / "place")
    for name, here, there in (
        ("checkpoint.pt", "old", "new"),
        ("best.pt", "old", "new"),
        ("scalars", "mine", "theirs"),
    ):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text(there)
        storage.put(f"run/{name}", tmp_path / "run" / name)
        (tmp_path / "run" / name).write_text(here)

    Mirror(storage, {"run": tmp_path / "run"}).pull()

    for name in ("checkpoint.pt", "best.pt"):
        assert (tmp_path / "run" / name).read_text() == "new"
    assert (tmp_path / "run" / "scalars").read_text() == "mine"
    assert checked_name("run/scalars") == "run/scalars"


@pytest.fixture
def pods(runs: TinyRuns, s3: str) -> Iterator[TinyRuns]:
    """Runs of pods, each of which finds nothing but the weights on its disk."""
    yield replace(runs, root=machine(runs, "pod").root)


@pytest.mark.slow
@pytest.mark.timeout(600)  # several starts of torch in two processes each
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_new_pod_resumes_the_run_of_a_lost_pod(
    runs: TinyRuns, pods: TinyRuns, s3: str, repository: Path, how: signal.Signals
) -> None:
    """The command line of the Kubernetes job, two processes; SIGTERM as the kubelet sends it."""
    changes: dict[str, Any] = {"steps": 20, "epsilon": 1e-6, "reference_dropout": 0.3}
    # SIGTERM saves by itself; of a machine that is lost only what was stored before is left.
    every = {"checkpoint_every_s": 0.0 if how == signal.SIGKILL else 1e6}
    alone = machine(runs, "alone")
    alone.train("stage2", batch_size=4, **changes)
    config = pods.root / "stage2.yaml"
    save_config(pods.config("stage2", batch_size=2, remote=s3, **changes, **every), config)
    command, environment = one_node(repository, config, "stage2")

    with started(repository, command, environment, runs.root / "log") as run:
        run.until(11)
        if how == signal.SIGKILL:
            run.kill()
        else:
            os.kill(run.process.pid, how)
            assert run.end() == 1
    for lost in ("stage2", "parts"):
        shutil.rmtree(pods.root / lost)
    shutil.copytree(runs.parts, pods.parts)
    with started(repository, command, environment, runs.root / "log") as run:
        assert run.end() == 0, (runs.root / "log").read_text()

    found, expected = losses_of(pods.root / "stage2"), losses_of(alone.root / "stage2")
    assert list(found.values()) == pytest.approx(list(expected.values()), abs=1e-5)
    assert found.keys() == expected.keys()
