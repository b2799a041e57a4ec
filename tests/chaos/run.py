"""One run: faults under load, a drain, then the report."""

from __future__ import annotations

import time
from pathlib import Path

from service.stores.job_store.store import JobStore
from tcan_client import Client
from tests.chaos.callers import Callers
from tests.chaos.faults import FaultInjector
from tests.chaos.load import pictures, puppets
from tests.chaos.report import Report, make_report, wait_for_ends
from tests.chaos.service import Service
from tests.servers import wait_until
from tests.service.receiver import receiving

DRAIN_S = 240.0
# The message of a killed gateway is claimed by the next one after half a minute.
WEBHOOKS_S = 60.0


def run(seconds: int, seed: int, folder: Path, *, model: bool = False) -> Report:
    """Run the service under load and inject faults.

    Args:
        seconds: duration of the faults.
        folder: folder for data and logs; it is kept.
        model: whether workers run the shipped model instead of painting.
    """
    with (
        receiving() as receiver,
        Service(folder, model=model) as service,
        Client(service.url) as client,
    ):
        wait_until(client.is_ready, "the service is ready")
        load = puppets(folder) if model else pictures(folder)
        callers = Callers(service.url, receiver, load)
        injector = FaultInjector(service, seed)
        callers.start()
        injector.start()
        time.sleep(seconds)
        injector.stop()
        callers.stop()
        jobs = JobStore.connect(service.redis_url)
        wait_for_ends(jobs, callers.accepted, DRAIN_S)
        deadline = time.monotonic() + WEBHOOKS_S
        while (
            callers.message_counts().keys() < set(callers.accepted) and time.monotonic() < deadline
        ):
            time.sleep(0.5)
        report = make_report(jobs, seconds, seed, injector.faults, callers)
        jobs.close()
    return report
