"""Event streams and waiting requests of a caller are limited; other callers are not affected."""

from __future__ import annotations

from contextlib import ExitStack

import httpx

from service.api.app import create_app
from service.http_limits import HttpLimits
from service.settings import Settings
from service.stores.job_store.store import JobStore
from tests import samples
from tests.servers import GUARD_S, wait_until
from tests.service.api_keys import bearer, new_key
from tests.service.job_driver import JobDriver
from tests.service.served import served


def test_streams_and_waits_of_a_caller_share_a_limit(
    folder_settings: Settings, jobs: JobStore
) -> None:
    app = create_app(folder_settings.model_copy(update={"http": HttpLimits(streams_per_caller=2)}))
    driver = JobDriver(jobs)
    driver.create()
    mine, other = (bearer(new_key(jobs, name)) for name in (driver.snapshot().record.caller, "b"))
    events = f"/jobs/{driver.snapshot().record.id}/events"
    with (
        served(app) as url,
        httpx.Client(base_url=url, timeout=GUARD_S, headers=mine) as http,
        ExitStack() as streams,
    ):
        opened = [streams.enter_context(http.stream("GET", events)) for _ in range(2)]
        assert [answer.status_code for answer in opened] == [200, 200]
        files = {"image": samples.png(), "driving": samples.poses()}
        for refused in (
            http.get(events),
            http.post("/animate", files=files, headers={"Prefer": "wait=60"}),
        ):
            assert refused.status_code == 429
            assert refused.json()["code"] == "too_many_streams"
            assert int(refused.headers["retry-after"]) > 0
        assert http.post("/animate", files=files).status_code == 202
        waited = http.post("/animate", files=files, headers={"Prefer": "wait=1", **other})
        assert waited.status_code == 202
        text = http.get("/metrics", headers=bearer(new_key(jobs, "c", ("admin",)))).text  # type: ignore[arg-type]
        assert "tcan_http_streams 2.0" in text and "tcan_http_streams_refused_total 2.0" in text
        opened[0].close()

        def is_free() -> bool:
            with http.stream("GET", events) as answer:
                return answer.status_code == 200

        wait_until(is_free, "the slot of the closed stream is free")
