"""The whole service on an S3 server without checksums and upload forms, over TLS."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tcan_client import Client
from tests import samples
from tests.servers import GUARD_S, S3Server, running, wait_until
from tests.service.gateway import running_gateway
from tests.service.stores.object_store.strict_store import strict_store
from tests.worker.paint import count_frames

WORKER = Path(__file__).with_name("paint_worker.py")


@pytest.mark.long
def test_submit_upload_and_result_work_on_a_strict_store(
    s3_server: S3Server, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, driving = tmp_path / "me.png", samples.write_video(tmp_path / "dance.mp4", frames=7)
    image.write_bytes(samples.png())
    with strict_store(s3_server, tmp_path) as store:
        values = {**store.settings(tmp_path / "data").model_dump(), "redis_url": redis_url}
        environment = {
            "TCAN_DATA": str(tmp_path / "data"),
            "TCAN_REDIS_URL": redis_url,
            "TCAN_S3_BUCKET": s3_server.bucket,
            "TCAN_S3_ENDPOINT_URL": store.server.endpoint_url,
            "TCAN_S3_ACCESS_KEY": s3_server.access_key,
            "TCAN_S3_SECRET_KEY": s3_server.secret_key,
            "TCAN_S3_CA": str(store.ca),
            "PAINT_STEP_S": "0",
        }
        command = [sys.executable, str(WORKER)]
        with (
            running(command, tmp_path / "worker.log", environment, 0),
            running_gateway(Settings.model_validate(values)) as url,
        ):
            wait_until(
                lambda: httpx.get(f"{url}/readyz", timeout=GUARD_S).is_success, "it is ready"
            )
            monkeypatch.setenv("SSL_CERT_FILE", str(store.ca))  # callers follow links to the store
            with Client(url, upload_above_bytes=0) as client:
                client.animate(image, driving, tmp_path / "uploaded.mp4")
            with Client(url) as client:
                client.animate(image, driving, tmp_path / "sent.mp4")
        assert store.refused == ["form"]
    assert count_frames(tmp_path / "uploaded.mp4") == count_frames(tmp_path / "sent.mp4") == 7
