"""Every attack gets a clear refusal, and leaves the service as it was.

The rows are in `tests.hostile.table`. After each of them both processes live, no file of the
request is on the disk, nothing was asked of the inner service, and neither process has grown by
more than it may for a job.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.contract.errors import ErrorCode
from tests.hostile.conftest import Service
from tests.hostile.table import Row, harmless, rows
from tests.servers import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

TABLE, HARMLESS = rows(), harmless()
# A picture of the most pixels that are taken, 40 million, may be decoded: 120 MB and some. The
# worker's first job warms its model up as well.
GATEWAY_MIB, WORKER_MIB = 200, 512


def refusal(service: Service, answer: httpx.Response) -> str:
    """The code of the answer's problem, or of the job that fails; the job is erased."""
    if answer.status_code != 202:
        assert 400 <= answer.status_code < 500, answer.text
        if not answer.headers.get("content-type", "").startswith("application/problem+json"):
            return "http"  # refused before it was a request
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]
        return str(ErrorCode(problem["code"]))
    service.wait_for_worker()
    where = answer.headers["location"]
    job = wait_until(lambda: ended(service, where), "the job ends")
    assert service.http.delete(where).status_code == 204
    return str(job["error"]["code"]) if job.get("error") else str(job["status"])


def ended(service: Service, where: str) -> Any:
    job = service.http.get(where).json()
    return job if job["ended_at"] else None


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_attack_is_refused_and_leaves_no_file(service: Service, row: Row) -> None:
    assert "succeeded" not in row.codes
    attacked(service, row)


@pytest.mark.parametrize("row", HARMLESS, ids=[row.name for row in HARMLESS])
def test_misleading_file_leaves_no_file(service: Service, row: Row) -> None:
    attacked(service, row)


def attacked(service: Service, row: Row) -> None:
    before = service.peak_mib()
    answer = row.attack(service)
    service.outside.release.set()
    code = refusal(service, answer)
    assert code in row.codes, answer.text
    assert service.is_alive()
    assert service.files() == []
    assert service.inside.requests == []
    grown = {name: peak - before[name] for name, peak in service.peak_mib().items()}
    assert grown["gateway"] < GATEWAY_MIB and grown["worker"] < WORKER_MIB, grown
    assert not Path("/tmp/tcan-was-here").exists()


def test_attack_table_has_forty_different_rows() -> None:
    assert len(TABLE) >= 40
    assert len({row.name for row in TABLE}) == len(TABLE)
