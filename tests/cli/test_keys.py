"""`tcan keys`, the key in the clients, and a gateway that does not open without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tcan_client import Client
from tcan_client.errors import ProblemError
from tests import samples
from tests.cli.conftest import Tcan
from tests.service.api_keys import secret_in
from tests.service.gateway import running_gateway


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with the Redis that the command line finds in its environment."""
    monkeypatch.setenv("TCAN_REDIS_URL", redis_url)
    monkeypatch.setenv("TCAN_DATA", str(tmp_path / "data"))
    return Settings()


def test_key_is_created_used_listed_and_revoked(
    tcan: Tcan, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ("--requests-per-minute", "100", "--queued-jobs", "3", "--expires-days", "2")
    made = tcan("keys", "create", "ann", *limits)
    key = made.out.strip()
    assert made.code == 0 and "not shown again" in made.err
    image, driving = tmp_path / "i.png", tmp_path / "d.json"
    image.write_bytes(samples.png())
    driving.write_bytes(samples.poses(3))
    with running_gateway(settings) as url:
        words = ("submit", "--image", str(image), "--driving", str(driving), "--url", url)
        refused = tcan(*words)
        assert (refused.code, "(unauthorized)" in refused.err) == (2, True)
        assert tcan(*words, "--api-key", key).code == 0
        monkeypatch.setenv("TCAN_API_KEY", key)
        job_id = tcan(*words, "--consent", "release 7").out.strip()
        assert tcan("status", job_id, "--url", url).code == 0
        [listed] = json.loads(tcan("keys", "list", "--json").out)
        assert listed["caller"] == "ann" and "digest" not in listed
        printed = tcan("keys", "list").out
        assert "valid" in printed and secret_in(key) not in printed
        assert tcan("keys", "revoke", listed["id"]).code == 0
        assert "revoked" in tcan("keys", "list").out
        with Client(url, api_key=key) as client:
            with pytest.raises(ProblemError) as error:
                while True:  # it is believed for half a second at most
                    client.job(job_id)
        assert error.value.status == 401


def test_key_is_sent_only_to_the_service(settings: Settings) -> None:
    from tcan_client.auth import key_auth

    auth = key_auth("http://127.0.0.1:8000", "tcan_x")
    assert auth is not None
    for url, sent in (("http://127.0.0.1:8000/jobs", True), ("http://bucket.example/", False)):
        [request] = auth.auth_flow(httpx.Request("GET", url))
        assert ("authorization" in request.headers) is sent


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "Ann Smith"), "a caller's name has"),
        (("create", "ann", "--scope", "root"), "root"),
        (("revoke", "nothing"), "there is no key 'nothing'"),
    ],
)
def test_invalid_arguments_are_rejected(
    tcan: Tcan, settings: Settings, words: tuple[str, ...], message: str
) -> None:
    outcome = tcan("keys", *words)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


@pytest.mark.long
@pytest.mark.e2e
def test_gateway_does_not_listen_to_a_network_without_a_key(settings: Settings) -> None:
    command = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", "0"]
    ran = subprocess.run([*command, "--host", "0.0.0.0"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "tcan keys create NAME" in ran.stderr and "TCAN_ANONYMOUS=anywhere" in ran.stderr
