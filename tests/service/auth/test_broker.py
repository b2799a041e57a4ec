"""Gateways and workers warn at start about brokers without credentials."""

from __future__ import annotations

import logging

import pytest

from cli.serve import check_broker
from service.auth.broker import unprotected_reason
from service.settings import load_settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://localhost",
        "redis://[::1]:6379",
        "unix:///run/valkey.sock",
        "redis://:secret@redis.example.com:6379/0",
        "rediss://user:secret@redis.example.com",
        "rediss://redis.example.com?ssl_certfile=/me.pem&ssl_keyfile=/me.key",
        "redis://redis.example.com?password=secret",
    ],
)
def test_protected_or_local_broker_is_accepted(url: str) -> None:
    assert unprotected_reason(url) is None


@pytest.mark.parametrize(
    "url", ["redis://valkey:6379/0", "rediss://redis.example.com", "redis://user@10.0.0.7"]
)
def test_unprotected_broker_is_logged_as_a_warning(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", url)
    with caplog.at_level(logging.WARNING):
        check_broker(load_settings())
    assert "broker without a password" in caplog.text and "requirepass" in caplog.text
