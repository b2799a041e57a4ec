"""Every attack is refused and leaves the service unchanged.

The rows are in `tests.hostile.table`. After each of them both processes run, no file of the
request is on the disk, the internal service got no request, and neither process has grown by more
than its limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.contract.errors import ErrorCode
from tests.hostile.attack import Row
from tests.hostile.conftest import Service
from tests.hostile.table import harmless_rows, rows
from tests.servers import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

TABLE, HARMLESS = rows(), harmless_rows()
# Decoding an image of the largest accepted size, 40 megapixels, takes over 120 MB. The worker's
# first job also warms up its model.
GATEWAY_MIB, WORKER_MIB = 200, 512


def error_code(service: Service, answer: httpx.Response) -> str:
    """Return the code of the error response or of the failed job; delete the job."""
    if answer.status_code != 202:
        assert 400 <= answer.status_code < 500, answer.text
        if not answer.headers.get("content-type", "").startswith("application/problem+json"):
            return "http"  # refused before it was parsed as a request
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]
        return str(ErrorCode(problem["code"]))
    service.wait_for_worker()
    job_url = answer.headers["location"]
    job = wait_until(lambda: ended_job(service, job_url), "the job ends")
    assert service.http.delete(job_url).status_code == 204
    return str(job["error"]["code"]) if job.get("error") else str(job["status"])


def ended_job(service: Service, job_url: str) -> Any:
    job = service.http.get(job_url).json()
    return job if job["ended_at"] else None


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_attack_is_refused_and_leaves_no_file(service: Service, row: Row) -> None:
    assert "succeeded" not in row.codes
    attack_and_check(service, row)


@pytest.mark.parametrize("row", HARMLESS, ids=[row.name for row in HARMLESS])
def test_misleading_file_leaves_no_file(service: Service, row: Row) -> None:
    attack_and_check(service, row)


def attack_and_check(service: Service, row: Row) -> None:
    before = service.peak_mib()
    answer = row.attack(service)
    service.outside.release.set()
    code = error_code(service, answer)
    assert code in row.codes, answer.text
    assert service.is_alive()
    assert service.files() == []
    assert service.inside.requests == []
    growth = {name: peak - before[name] for name, peak in service.peak_mib().items()}
    assert growth["gateway"] < GATEWAY_MIB and growth["worker"] < WORKER_MIB, growth
    assert not Path("/tmp/tcan-was-here").exists()


def test_attack_table_has_forty_different_rows() -> None:
    assert len(TABLE) >= 40
    assert len({row.name for row in TABLE}) == len(TABLE)
