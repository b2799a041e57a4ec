"""Messages that are not wake-up messages are ignored by workers."""

from __future__ import annotations

import json
import pickle
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.hints import make_celery, message
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import running, wait_until
from tests.service.job_driver import INPUTS
from worker.celery_app import make_worker_app

WORKER = Path(__file__).with_name("paint_worker.py")
URL = "redis://127.0.0.1:1/0"


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self._file,)


def disguised(kind: str, body: bytes) -> str:
    """Return a hint whose body has another content type."""
    envelope = json.loads(message("a", Queue.PREPARE))
    envelope |= {"content-type": kind, "content-encoding": "binary"}
    envelope["body"] = b64encode(body).decode()
    return json.dumps(envelope)


@pytest.mark.e2e
def test_pickle_message_is_rejected_unopened(
    jobs: JobStore, redis_url: str, tmp_path: Path
) -> None:
    mark = tmp_path / "opened"
    pickled = pickle.dumps([["a"], {"x": Touch(mark)}, {}])
    for kind in ("application/x-python-serialize", "application/x-pickle", "application/json"):
        jobs.redis.lpush(Queue.PREPARE.task, disguised(kind, pickled))
    jobs.redis.lpush(Queue.PREPARE.task, disguised("application/x-yaml", b"!!python/object:os"))
    environment = {
        "TCAN_DATA": str(tmp_path / "data"),
        "TCAN_REDIS_URL": redis_url,
        "PAINT_STEP_S": "0",
    }
    objects = open_objects(Settings(data=tmp_path / "data"))
    objects.put(INPUTS.image or "", samples.png())
    objects.put(INPUTS.driving, samples.video(tmp_path))
    with running([sys.executable, str(WORKER)], tmp_path / "worker.log", environment, 0):
        hint = message("b", Queue.PREPARE)
        jobs.run(commands.create("b", JobParams(seed=1), INPUTS, hint=hint))

        def state() -> bool:
            snapshot = jobs.run(commands.read("b"))
            return snapshot is not None and snapshot.record.state is JobState.SUCCEEDED

        wait_until(state, "the job behind the messages is done")
    assert not mark.exists()
    assert "Refusing to deserialize" in (tmp_path / "worker.log").read_text()


def test_gateway_and_worker_exchange_only_json() -> None:
    for app in (make_celery(URL), make_worker_app(URL)):
        assert list(app.conf.accept_content) == ["json"]
        assert list(app.conf.result_accept_content or app.conf.accept_content) == ["json"]
        assert app.conf.task_serializer == app.conf.event_serializer == "json"
    assert not make_worker_app(URL).conf.worker_enable_remote_control
