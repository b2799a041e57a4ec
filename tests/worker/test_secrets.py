"""Secrets stay where they belong: a service runs on canaries, and its traces are searched."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from redis import Redis

from service.contract.callers import Scope
from service.settings import load_settings
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import GUARD_S, S3Server, free_port, listens, running, valkey, wait_until
from tests.service.api_keys import bearer, new_key, secret_in
from tests.service.web import web_server
from tests.worker.paint import black_video

WORKER = Path(__file__).with_name("paint_worker.py")
ENDED = ("succeeded", "failed", "canceled")

pytestmark = [pytest.mark.e2e, pytest.mark.long]


class Canaries(NamedTuple):
    """Secrets that must not appear anywhere."""

    redis: str = "canary-redis-password"
    webhook: str = "canary-webhook-key-of-more-than-32-characters"
    ed25519: str = f"whsk_{b64encode(b'canary-of-ed25519-of-32-bytes...').decode()}"
    token: str = "canary-token-in-an-address"


CANARIES = Canaries()


class Running(NamedTuple):
    """The service, and where it leaves its traces."""

    http: httpx.Client
    redis: Redis
    folder: Path
    key: str


@pytest.fixture
def service(tmp_path: Path, s3_server: S3Server) -> Iterator[Running]:
    """Gateway and worker as processes, on servers that ask for the canaries."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(valkey(tmp_path))
        Redis.from_url(url).config_set("requirepass", CANARIES.redis)
        url = url.replace("redis://", f"redis://:{CANARIES.redis}@")
        port = free_port()
        environment = {
            "TCAN_DATA": str(tmp_path / "data"),
            "TCAN_REDIS_URL": url,
            "TCAN_OUTBOUND_ALLOW": "127.0.0.1",
            "TCAN_S3_BUCKET": s3_server.bucket,
            "TCAN_S3_ENDPOINT_URL": s3_server.endpoint_url,
            "TCAN_S3_ACCESS_KEY": s3_server.access_key,
            "TCAN_S3_SECRET_KEY": s3_server.secret_key,
            "PAINT_STEP_S": "0",
        }
        signs = {
            "TCAN_WEBHOOK_KEY": CANARIES.webhook,
            "TCAN_WEBHOOK_ED25519_KEYS": CANARIES.ed25519,
        }
        command = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", str(port)]
        log = tmp_path / "gateway.log"
        stack.enter_context(running(command, log, {**environment, **signs}))
        command = [sys.executable, str(WORKER)]
        stack.enter_context(running(command, tmp_path / "worker.log", environment, 0))
        wait_until(lambda: listens(port), "the gateway listens")
        jobs = JobStore.connect(url)
        stack.callback(jobs.close)
        key = new_key(jobs, "ann", (Scope.ADMIN,))
        http = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(key), timeout=GUARD_S)
        )
        yield Running(http, jobs.redis, tmp_path, key)


def ended(http: httpx.Client, answer: httpx.Response) -> Any:
    """Wait for the job's end and return it."""
    assert answer.status_code == 202, answer.text
    where = answer.headers["location"]

    def job() -> Any:
        view = http.get(where).json()
        return view if view["status"] in ENDED else None

    return wait_until(job, "the job ends")


def test_no_secret_is_in_logs_records_results_or_answers(
    service: Running, tmp_path: Path, s3_server: S3Server
) -> None:
    http, said = service.http, list[str]()
    with web_server() as web:
        image = web.page("/image", samples.png()) + f"?token={CANARIES.token}"
        driving = web.page("/driving", samples.video(tmp_path)) + f"?token={CANARIES.token}"
        made = http.post("/animate", json={"image_url": image, "driving_url": driving})
        lost = http.post("/animate", json={"image_url": image + "x" * 9, "driving_url": "http://"})
        gone = http.post("/poses", json={"driving_url": f"{web.url}/no?{CANARIES.token}"})
    black = black_video(tmp_path / "black.mp4").read_bytes()
    files = {"image": ("i", samples.png()), "driving": ("d", black)}
    options = {"options": '{"webhook": {"url": "http://127.0.0.1:9/hook"}}'}
    done = ended(http, made)
    failed = ended(http, http.post("/animate", files=files, data=options))
    assert (done["status"], failed["status"]) == ("succeeded", "failed")
    said += [lost.text, gone.text, json.dumps([done, failed])]
    for path in ("/jobs", "/metrics", "/models", "/readyz", "/openapi.json"):
        said.append(http.get(path).text)
    said.append(http.get(f"/jobs/{failed['id']}/deliveries").text)
    refused = http.get("/jobs", headers=bearer(service.key[:-1] + "_"))
    said += [refused.text, json.dumps(dict(refused.headers))]
    settings = s3_server.settings(tmp_path / "data")
    manifest = tmp_path / "manifest.json"
    record = service.redis.hget(f"tcan:job:{done['id']}", "outputs")
    open_objects(settings).fetch(json.loads(str(record))["manifest"], manifest)
    said += [manifest.read_text(), *everything_in(service.redis)]
    said += [(tmp_path / f"{part}.log").read_text() for part in ("gateway", "worker")]
    secrets = (*CANARIES, service.key, secret_in(service.key), s3_server.secret_key)
    for secret in secrets:
        assert [text for text in said if secret in text] == [], secret


def everything_in(redis: Redis) -> list[str]:
    """All that the server holds, as text."""
    readers: dict[str, Any] = {
        "string": redis.get,
        "hash": redis.hgetall,
        "list": lambda key: redis.lrange(key, 0, -1),
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1),
        "stream": redis.xrange,
    }
    keys = [str(key) for key in redis.scan_iter()]
    assert any(key.startswith("tcan:job:") for key in keys)
    return [f"{key} {readers[str(redis.type(key))](key)}" for key in keys]


def test_files_with_secrets_are_readable_only_by_their_owner(tmp_path: Path) -> None:
    from service.stores.object_store.folder import read_signing_key

    settings = load_settings(data=tmp_path)
    for file in (settings.signing_key_file, settings.webhook_key_file):
        read_signing_key(file)
        assert file.stat().st_mode & 0o777 == 0o600


def test_worker_needs_no_signing_key(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    objects = open_objects(settings)
    objects.put("jobs/a/result.mp4", b"x")
    objects.fetch("jobs/a/result.mp4", tmp_path / "x")
    objects.delete("jobs/a")
    assert not settings.signing_key_file.exists()
    objects.link("jobs/a/result.mp4", "x")
    assert settings.signing_key_file.exists()
