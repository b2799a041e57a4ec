"""schemathesis tests the running service against its openapi.json, with few examples.

By hand with many: see CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import presence
from service.stores.job_store.store import JobStore
from tests.service import schema_hooks
from tests.service.gateway import running_gateway
from tests.worker.paint import PaintAnimator

CONFIG = Path(__file__).resolve().parents[4] / "schemathesis.toml"
FEW = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def document(folder_settings: Settings, jobs: JobStore) -> Iterator[OpenApiSchema]:
    """The OpenAPI document of a service with a ready worker."""
    assert schema_hooks.media()
    model = PaintAnimator().describe()
    worker = WorkerInfo(id="w", queues=tuple(Queue), preset="paint", ready=True, model=model)
    jobs.run(presence.heartbeat(worker, 3_600_000))
    with running_gateway(folder_settings) as url:
        config = SchemathesisConfig.from_path(CONFIG)
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_route_matches_its_openapi_description(
    document: OpenApiSchema, mode: GenerationMode
) -> None:
    requests = 0
    for result in document.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not can_be_negated(operation):
            continue
        requests += 1

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Case[Any]) -> None:
            case.call_and_validate()

        ask()
    assert requests >= 6


def can_be_negated(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Return whether a request can violate the described constraints."""
    return bool(operation.body or operation.query)
