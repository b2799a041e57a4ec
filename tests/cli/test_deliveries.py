"""Webhooks of the embedded service over the stop of every process, and `tcan deliveries`."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from redis import Redis
from standardwebhooks import Webhook as Verifier

from service.client import Client
from service.contract.options import JobOptions
from service.contract.states import JobState
from service.contract.webhooks import Webhook
from tests import samples
from tests.cli.conftest import StartUp, Tcan, Up
from tests.servers import free_port, wait_until
from tests.service.receiver import receiving

pytestmark = pytest.mark.e2e


def finished(client: Client, folder: Path, hook: str) -> str:
    """A job that has ended, with a webhook."""
    image = folder / "image.png"
    image.write_bytes(samples.png())
    driving = samples.write_video(folder / "driving.mp4")
    options = JobOptions(webhook=Webhook(url=hook))
    job_id = client.submit(image, driving, options=options).id
    wait_until(lambda: client.job(job_id).status is JobState.SUCCEEDED, "it is done", 20.0)
    return job_id


def let_time_pass(up: Up, minutes: int) -> None:
    """Everything that waits for its time comes so much closer to it."""
    with Redis.from_url((up.data / "redis_url").read_text()) as redis:
        for name, due_ms in redis.zrange("tcan:deliveries:due", 0, -1, withscores=True):
            redis.zadd("tcan:deliveries:due", {name: due_ms - minutes * 60_000})


def test_an_outage_and_a_restart_of_every_process_lose_no_message(
    start_up: StartUp, tcan: Tcan, tmp_path: Path
) -> None:
    port = free_port()
    first = start_up()
    with Client(first.url) as client:
        job_id = finished(client, tmp_path, f"http://127.0.0.1:{port}/hook")
        wait_until(lambda: client.deliveries(job_id)[0].attempts, "a first attempt fails")
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(15) == 0
    second = start_up(data=first.data)
    let_time_pass(second, minutes=10)
    with Client(second.url) as client:
        wait_until(lambda: len(client.deliveries(job_id)[0].attempts) >= 2, "another one fails")
        with receiving(port) as receiver:
            let_time_pass(second, minutes=10)
            wait_until(lambda: receiver.got, "the message arrives")
            wait_until(lambda: client.deliveries(job_id)[0].status == "delivered", "it is logged")
        [delivery] = client.deliveries(job_id)
        assert [attempt.error for attempt in delivery.attempts[:2]] == ["ConnectError"] * 2
        assert (receiver.got[0].id, delivery.attempts[-1].status) == (delivery.id, 200)
        secret = client.webhook_secrets().secrets[0].secret
        body = Verifier(secret).verify(receiver.got[0].body, receiver.got[0].headers)
        assert (body["type"], body["data"]["id"]) == ("job.succeeded", job_id)
    shown = tcan("deliveries", job_id, "--url", second.url)
    assert shown.out.startswith("1  job.succeeded  delivered  http://127.0.0.1")
    assert shown.out.count("ConnectError") >= 2
    with receiving(port) as receiver:
        again = tcan("deliveries", job_id, "--redeliver", "1", "--url", second.url, "--json")
        assert json.loads(again.out)[0]["status"] == "pending"
        wait_until(lambda: receiver.got, "it arrives again")
        assert receiver.got[0].id == delivery.id
    unknown = tcan("deliveries", job_id, "--redeliver", "2", "--url", second.url)
    assert (unknown.code, "delivery_not_found" in unknown.err) == (2, True)
