"""`tcan doctor` and `tcan health` on real servers with one wrong setting each."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from redis import Redis

from cli.checkup.clock import clock_finding, s3_url
from cli.checkup.finding import Level
from cli.checkup.objects import response_fix
from cli.checkup.store_errors import ABILITIES, FOLDER, RIGHTS, SERVER, store_fix
from service.contract.job import DrivingKind, JobInputs
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.errors import ServiceError, UnavailableError
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from service.stores.object_store.folder import FolderObjects
from tests.cli.conftest import Tcan
from tests.servers import S3Server
from tests.service.stores.object_store.strict_store import Refusal, StrictStore, strict_store


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, redis_url: str, tmp_path: Path) -> str:
    """Set the variables of a service with its own Redis; return the server's address."""
    monkeypatch.setenv("TCAN_REDIS_URL", redis_url)
    monkeypatch.setenv("TCAN_DATA", str(tmp_path / "data"))
    return redis_url


def found(tcan: Tcan, area: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code, and the findings of an area by name."""
    done = tcan("doctor", "--only", area, "--json")
    return done.code, {one["name"]: one for one in json.loads(done.out)["findings"]}


def test_redis_without_append_only_file_is_reported_with_the_fix(
    tcan: Tcan, environment: str
) -> None:
    code, seen = found(tcan, "redis")
    assert code == 1
    assert seen["appendonly"]["level"] == Level.ERROR
    assert "CONFIG SET appendonly yes" in seen["appendonly"]["mend"]
    assert seen["maxmemory-policy"]["level"] == Level.OK
    assert seen["maxmemory"]["level"] == Level.WARNING


def test_reported_fix_of_redis_works(tcan: Tcan, environment: str) -> None:
    right = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory": str(64 * 2**20),
        "maxmemory-policy": "noeviction",
    }
    wrong = {"appendfsync": "everysec", "maxmemory": "2000000", "maxmemory-policy": "allkeys-lru"}
    with Redis.from_url(environment, decode_responses=True) as redis:
        before = {name: redis.config_get(name)[name] for name in right}
        try:
            for name, value in right.items():
                redis.config_set(name, value)
            code, seen = found(tcan, "redis")
            assert (code, {one["level"] for one in seen.values()}) == (0, {Level.OK})
            for name, value in wrong.items():
                redis.config_set(name, value)
            code, seen = found(tcan, "redis")
        finally:
            for name, value in before.items():
                redis.config_set(name, value)
    assert code == 1
    assert seen["appendfsync"]["level"] == Level.WARNING
    assert "last second" in seen["appendfsync"]["detail"]
    assert seen["maxmemory-policy"]["level"] == Level.ERROR


def test_redis_without_a_password_is_reported(
    tcan: Tcan, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.0.0.0 reaches the same server and does not count as a local address."""
    assert found(tcan, "redis")[1]["password"]["level"] == Level.OK
    address = environment.replace("127.0.0.1", "0.0.0.0")
    monkeypatch.setenv("TCAN_REDIS_URL", address)
    seen = found(tcan, "redis")[1]["password"]
    assert seen["level"] == Level.WARNING and "requirepass" in seen["mend"]
    with Redis.from_url(environment) as redis:
        redis.config_set("requirepass", "secret")
        redis.auth("secret")
        try:
            monkeypatch.setenv("TCAN_REDIS_URL", address.replace("//", "//:secret@"))
            assert found(tcan, "redis")[1]["password"]["level"] == Level.OK
        finally:
            redis.config_set("requirepass", "")


def test_unavailable_redis_is_one_finding(
    tcan: Tcan, monkeypatch: pytest.MonkeyPatch, unused_url: str
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", unused_url)
    code, seen = found(tcan, "redis")
    assert (code, list(seen)) == (1, ["connection"])
    code, seen = found(tcan, "workers")
    assert (code, list(seen)) == (1, ["heartbeats"])


def use_s3(
    monkeypatch: pytest.MonkeyPatch, server: S3Server, bucket: str, secret: str | None = None
) -> None:
    monkeypatch.setenv("TCAN_S3_ENDPOINT_URL", server.endpoint_url)
    # The first object of a new bucket makes volumes, which takes its time on a busy machine.
    monkeypatch.setenv("TCAN_S3_TIMEOUT_S", "30")
    monkeypatch.setenv("TCAN_S3_BUCKET", bucket)
    monkeypatch.setenv("TCAN_S3_ACCESS_KEY", server.access_key)
    monkeypatch.setenv("TCAN_S3_SECRET_KEY", secret or server.secret_key)


@pytest.mark.long
def test_rights_on_s3_are_checked_by_using_them(
    tcan: Tcan, environment: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_server, s3_server.bucket)
    code, seen = found(tcan, "objects")
    assert code == 0
    assert {name: one["level"] for name, one in seen.items()} == {
        "rights": Level.OK,
        "links": Level.OK,
        "uploads": Level.OK,
        "erasing": Level.OK,
    }


def test_missing_bucket_is_created_only_with_mend(
    tcan: Tcan, environment: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_server, "doctors-own")
    code, seen = found(tcan, "objects")
    assert (code, list(seen)) == (1, ["bucket"])
    assert "--mend" in seen["bucket"]["mend"]
    assert tcan("doctor", "--only", "objects", "--mend").code == 0
    assert found(tcan, "objects")[0] == 0


def test_wrong_s3_key_is_reported(
    tcan: Tcan, environment: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_server, s3_server.bucket, "not the secret")
    code, seen = found(tcan, "objects")
    assert (code, seen["bucket"]["level"]) == (1, Level.ERROR)


def test_folder_store_and_its_disk_are_checked(tcan: Tcan, environment: str) -> None:
    code, seen = found(tcan, "objects")
    assert code == 0
    assert "GiB are free" in seen["disk"]["detail"]
    assert seen["rights"]["level"] == seen["erasing"]["level"] == Level.OK


def test_folder_store_that_cannot_be_used_is_one_finding(
    tcan: Tcan, environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "objects").write_text("no folder")
    monkeypatch.setenv("TCAN_DATA", str(tmp_path))
    code, seen = found(tcan, "objects")
    assert (code, list(seen), seen["folder"]["mend"]) == (1, ["folder"], FOLDER)


def test_fix_of_a_failed_write_names_the_folder(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path, bytes)
    (tmp_path / "doctor").write_text("no folder")
    with pytest.raises(UnavailableError) as failed:
        store.put("doctor/probe.txt", b"x")
    assert store_fix(failed.value) == FOLDER


def test_clocks_are_compared(tcan: Tcan, environment: str) -> None:
    code, seen = found(tcan, "clock")
    assert (code, seen["redis"]["level"]) == (0, Level.OK)
    assert clock_finding("redis", -3.0).level is Level.WARNING
    assert clock_finding("redis", 400.0).level is Level.ERROR
    assert "behind" in clock_finding("redis", -3.0).detail


def test_s3_url_defaults_to_the_address_of_the_region() -> None:
    amazons = {"s3_bucket": "tcan-example", "s3_region": "eu-central-1"}
    settings = Settings.model_validate(amazons)
    assert s3_url(settings) == "https://s3.eu-central-1.amazonaws.com"
    own = {**amazons, "s3_endpoint_url": "http://seaweedfs:8333"}
    assert s3_url(Settings.model_validate(own)) == "http://seaweedfs:8333"


def worker(jobs: JobStore, name: str, **more: Any) -> None:
    info = {"id": name, "queues": tuple(Queue), "preset": "mini", "ready": True, **more}
    jobs.run(presence.heartbeat(WorkerInfo.model_validate(info), 60_000))


def test_queues_without_workers_and_different_workers_are_reported(
    tcan: Tcan, environment: str, jobs: JobStore
) -> None:
    inputs = JobInputs(driving="a/b", driving_kind=DrivingKind.VIDEO)
    jobs.run(commands.create("j", JobParams(), inputs))
    code, seen = found(tcan, "workers")
    assert code == 1
    assert "tcan worker --queues prepare" in seen["prepare"]["mend"]
    assert "1 jobs wait" in seen["prepare"]["detail"]
    worker(jobs, "a-1-x")
    assert found(tcan, "workers")[0] == 0
    worker(jobs, "b-1-x", preset="sd15", contract=2)
    worker(jobs, "c-1-x", ready=False, stalled=True)
    code, seen = found(tcan, "workers")
    assert code == 0
    assert {name for name, one in seen.items() if one["level"] == Level.WARNING} == {
        "presets",
        "contract",
        "stalled",
    }


def test_weights_and_device_of_mini_are_ok(tcan: Tcan, environment: str) -> None:
    code, seen = found(tcan, "device,weights")
    assert code == 0
    assert seen["cpu"]["level"] == seen["mini"]["level"] == Level.OK


def test_model_that_does_not_fit_its_device_is_reported(
    tcan: Tcan, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(tcan, "device")[1]["memory"]["level"] == Level.SKIPPED
    monkeypatch.setenv("TCAN_MEMORY_LIMIT", "1GiB")
    code, seen = found(tcan, "device")
    assert (code, seen["memory"]["level"]) == (0, Level.OK)
    assert "64x64 with windows of 32 frames takes 0." in seen["memory"]["detail"]
    monkeypatch.setenv("TCAN_MEMORY_LIMIT", "20MB")
    code, seen = found(tcan, "device")
    assert (code, seen["memory"]["level"]) == (1, Level.ERROR)
    assert "the limit is 0.02 GiB" in seen["memory"]["detail"]
    assert "TCAN_RUNTIME__*" in seen["memory"]["mend"]


def test_text_output_has_the_finding_and_its_fix(tcan: Tcan, environment: str) -> None:
    done = tcan("doctor", "--only", "redis")
    assert "error   redis appendonly: no" in done.out
    assert "fix: CONFIG SET appendonly yes" in done.out
    assert tcan("doctor", "--only", "heart").code == 2


def test_worker_is_healthy_when_it_is_ready(tcan: Tcan, environment: str, jobs: JobStore) -> None:
    host = socket.gethostname()
    assert "none has a heartbeat" in tcan("health", "worker").err
    worker(jobs, f"{host}-7-ab", ready=False)
    assert "is loading" in tcan("health", "worker").err
    worker(jobs, "other-host-7-ab")
    assert tcan("health", "worker").code == 1
    assert tcan("health", "worker", "--host", "other-host").code == 0
    worker(jobs, f"{host}-7-ab")
    assert tcan("health", "worker").code == 0
    worker(jobs, f"{host}-7-ab", ready=False, stalled=True)
    stalled = tcan("health", "worker", "--probe", "live")
    assert (stalled.code, "stalled" in stalled.err) == (1, True)


def test_liveness_probe_passes_when_the_broker_is_unavailable(
    tcan: Tcan, monkeypatch: pytest.MonkeyPatch, unused_url: str
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", unused_url)
    assert tcan("health", "worker", "--probe", "live").code == 0
    assert tcan("health", "worker").code == 1
    assert tcan("health", "gateway", "--url", unused_url.replace("redis", "http")).code == 1


@pytest.fixture
def strict(
    environment: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[StrictStore]:
    """Set the variables of a store without upload forms, over TLS."""
    with strict_store(s3_server, tmp_path) as store:
        use_s3(monkeypatch, store.server, s3_server.bucket)
        monkeypatch.setenv("TCAN_S3_CA", str(store.ca))
        yield store


def test_store_without_upload_forms_is_described(tcan: Tcan, strict: StrictStore) -> None:
    code, seen = found(tcan, "objects,clock")
    assert (code, {one["level"] for one in seen.values()}) == (0, {Level.OK})
    assert "no presigned POST; files are uploaded through the gateway" in seen["uploads"]["detail"]
    assert "serves signed links" in seen["links"]["detail"]


@pytest.mark.parametrize(
    ("refusal", "fix"),
    [
        (Refusal(403, "AccessDenied"), "rights on the bucket"),
        (Refusal(403, "RequestTimeTooSkewed"), "clocks by an NTP service"),
        (Refusal(403, "SignatureDoesNotMatch"), "TCAN_S3_SECRET_KEY"),
        (Refusal(400, "AuthorizationHeaderMalformed"), "TCAN_S3_REGION"),
        (Refusal(501, "NotImplemented"), "use another store"),
    ],
)
def test_fix_of_the_store_follows_the_error(
    tcan: Tcan, strict: StrictStore, refusal: Refusal, fix: str
) -> None:
    """A bucket is checked by HEAD, whose response has no code; the first write has one."""
    strict.refusal, strict.refuses_head = refusal, False
    code, seen = found(tcan, "objects")
    assert (code, seen["rights"]["level"]) == (1, Level.ERROR)
    assert fix in seen["rights"]["mend"]
    assert refusal.code in seen["rights"]["detail"]


def test_fix_of_a_silent_or_foreign_store_names_its_setting(
    tcan: Tcan, strict: StrictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    assert store_fix(ClientError(broken, "PutObject")) == SERVER  # type: ignore[arg-type]
    assert store_fix(ServiceError("no cause")) == SERVER
    strict.refusal = Refusal(403, "AccessDenied")
    assert found(tcan, "objects")[1]["bucket"]["mend"] == RIGHTS
    strict.refusal = None
    monkeypatch.delenv("TCAN_S3_CA")
    assert "TCAN_S3_CA" in found(tcan, "objects")[1]["bucket"]["mend"]
    monkeypatch.setenv("TCAN_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    seen = found(tcan, "objects")[1]
    assert "TCAN_S3_ENDPOINT_URL" in seen["bucket"]["mend"]
    assert "does not answer" in seen["bucket"]["detail"]


def test_fix_of_a_failed_link_or_form_follows_the_status() -> None:
    assert response_fix(httpx.Response(503), RIGHTS) == SERVER
    assert response_fix(httpx.Response(501), RIGHTS) == ABILITIES
    assert response_fix(httpx.Response(403), RIGHTS) == RIGHTS


def test_fix_of_several_findings_is_printed_once(
    tcan: Tcan, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_PRESET", "sd15")
    printed = tcan("doctor", "--only", "weights").out
    assert printed.count("fix: tcan models pull sd15") == 1
    assert printed.count("fix: as above") == printed.count("no weights for") - 1 > 0


def test_absent_weights_are_an_error(
    tcan: Tcan, environment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TCAN_WEIGHTS", str(tmp_path))
    code, seen = found(tcan, "weights")
    assert (code, seen["vae"]["level"]) == (1, Level.ERROR)
    assert "unset TCAN_WEIGHTS" in seen["vae"]["mend"]
    monkeypatch.delenv("TCAN_WEIGHTS")
    monkeypatch.setenv("TCAN_PRESET", "sd15")
    code, seen = found(tcan, "weights")
    assert (code, seen["denoising_unet"]["level"]) == (1, Level.ERROR)
    assert "no weights for denoising_unet" in seen["denoising_unet"]["detail"]
    assert "tcan models pull sd15" in seen["denoising_unet"]["mend"]
    assert "lora" not in seen  # sd15 also works without
    assert tcan("models", "verify", "sd15").code == 1
