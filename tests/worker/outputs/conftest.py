"""Workers that die and leave at chosen steps, on real stores."""

from __future__ import annotations

import pytest

from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from tests.worker.conftest import Desk
from tests.worker.outputs.world import World
from worker.outputs import checkpoints


@pytest.fixture
def world(
    desk: Desk,
    jobs: JobStore,
    objects: ObjectStore,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    # Steps that take no time would else have next to no checkpoints.
    monkeypatch.setattr(checkpoints, "MAX_COST_SHARE", 1.0)
    return World(desk, jobs, objects, settings.objects_folder)
