"""Webhooks of the embedded service over the stop of every process, and `tcan deliveries`."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from standardwebhooks import Webhook as Verifier

from tcan_client import Client, JobOptions, JobParams, Webhook
from tests import samples
from tests.cli.conftest import StartUp, Tcan, Up
from tests.servers import GUARD_S, free_port, wait_until
from tests.service.receiver import Message, receiving
from tests.worker.paint import black_video

pytestmark = [pytest.mark.e2e, pytest.mark.long]

REFUSED = "the connection was refused; no server listens on this port"


def ended_jobs(client: Client, folder: Path, hook: str) -> dict[str, str]:
    """Create three jobs with a webhook, one per outcome; return their ids by event."""
    image = folder / "image.png"
    image.write_bytes(samples.png())
    walk = samples.write_video(folder / "driving.mp4")
    options = JobOptions(webhook=Webhook(url=hook))
    empty, long = black_video(folder / "empty.mp4"), JobParams(num_inference_steps=200)
    ids = {
        "job.succeeded": client.submit(image, walk, options=options).id,
        "job.failed": client.submit(image, empty, options=options).id,
        "job.canceled": client.submit(image, walk, long, options=options).id,
    }
    client.cancel(ids["job.canceled"])
    for event, job_id in ids.items():
        assert f"job.{client.wait(job_id).status}" == event
    return ids


# What is being sent has its claim's time, which is not the one it was put off to: it is left alone,
# or it would be sent twice.
LET_TIME_PASS = """
for _, key in ipairs(redis.call('KEYS', 'tcan:deliveries:due:*')) do
  local waiting = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    local put_off_to = redis.call('HGET', 'tcan:delivery:' .. waiting[i], 'due_ms')
    if put_off_to == waiting[i + 1] then redis.call('ZINCRBY', key, -ARGV[1], waiting[i]) end
  end
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', 'tcan:deliveries:callers', first[2], key:match('[^:]+$'))
  end
end
"""


def let_time_pass(up: Up, minutes: int) -> None:
    """Every message that waits for its next attempt comes so much closer to it, once."""
    with Redis.from_url((up.data / "redis_url").read_text()) as redis:
        redis.eval(LET_TIME_PASS, 0, minutes * 60_000)


def test_an_outage_and_a_restart_of_every_process_lose_no_message(
    start_up: StartUp, tcan: Tcan, tmp_path: Path
) -> None:
    port = free_port()
    first = start_up()

    def tries(client: Client, job_id: str) -> list[str | int | None]:
        [delivery] = client.deliveries(job_id)
        return [attempt.status or attempt.error for attempt in delivery.attempts]

    with Client(first.url) as client:
        jobs = ended_jobs(client, tmp_path, f"http://127.0.0.1:{port}/hook")
        wait_until(lambda: all(tries(client, job) for job in jobs.values()), "first attempts fail")
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(GUARD_S) == 0
    second = start_up(data=first.data)
    with Client(second.url) as client:

        def all_tried(minutes: int, enough: Callable[[list[str | int | None]], bool]) -> bool:
            let_time_pass(second, minutes)
            return all(enough(tries(client, job)) for job in jobs.values())

        wait_until(lambda: all_tried(10, lambda got: len(got) >= 2), "others fail")
        with receiving(port) as receiver:
            # However many attempts there were: later ones are half an hour and two hours apart.
            wait_until(lambda: all_tried(180, lambda got: got[-1] == 200), "all arrive")
        secret = client.webhook_secrets().secrets[0].secret
        content = {message.id: verified(message, secret) for message in receiver.messages}
        for event, job_id in jobs.items():
            [delivery] = client.deliveries(job_id)
            assert (content[delivery.id]["type"], content[delivery.id]["data"]["id"]) == (
                event,
                job_id,
            )
            assert delivery.status == "delivered"
            assert set(tries(client, job_id)[:-1]) == {REFUSED}
            assert len(delivery.attempts) >= 3
    shows_and_redelivers(tcan, second, jobs["job.succeeded"], port)


def verified(message: Message, secret: str) -> Any:
    """Return the message, verified by the library of Standard Webhooks."""
    return Verifier(secret).verify(message.body, message.headers)


def shows_and_redelivers(tcan: Tcan, up: Up, job_id: str, port: int) -> None:
    """Check that `tcan deliveries` shows the log of a job's one message and sends it again."""
    printed = tcan("deliveries", job_id, "--url", up.url)
    assert printed.out.startswith("1  job.succeeded  delivered  http://127.0.0.1")
    assert printed.out.count(REFUSED) >= 2
    with receiving(port) as receiver:
        again = tcan("deliveries", job_id, "--redeliver", "1", "--url", up.url, "--json")
        [delivery] = json.loads(again.out)
        assert delivery["status"] == "pending"
        wait_until(lambda: receiver.messages, "it arrives again")
        assert receiver.messages[0].id == delivery["id"]
    unknown = tcan("deliveries", job_id, "--redeliver", "2", "--url", up.url)
    assert (unknown.code, "delivery_not_found" in unknown.err) == (2, True)
