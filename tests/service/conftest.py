"""Fixtures: a gateway on real stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sandbox.children import Sandbox
from service import gateway
from service.api.app import create_app
from service.inspection.decoder import Decoder
from service.settings import Settings
from tests.servers import S3Server

# Lets the gateway call the tests' own servers.
ALLOW_LOOPBACK = {"outbound_allow": "127.0.0.1"}


class SharedDecoder(Decoder):
    """The decoder of every gateway in this process; starting one takes processor time."""

    shared: Sandbox

    def __init__(self) -> None:
        self._sandbox = self.shared

    def close(self) -> None:
        """Keep it open for the other gateways."""


@pytest.fixture(autouse=True, scope="session")
def shared_decoder() -> Iterator[None]:
    """Let the gateways of this process share one decoder, in real child processes."""
    with pytest.MonkeyPatch.context() as patch:
        own = Decoder()
        SharedDecoder.shared = own._sandbox
        patch.setattr(gateway, "Decoder", SharedDecoder)
        yield
        own.close()


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Settings:
    """Return settings of a service, for each kind of object store."""
    base = Settings(data=tmp_path / "data")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        base = server.settings(tmp_path / "data")
    return Settings.model_validate({**base.model_dump(), **ALLOW_LOOPBACK, "redis_url": redis_url})


@pytest.fixture
def folder_settings(tmp_path: Path, redis_url: str) -> Settings:
    """Return settings of a service with the folder store."""
    values = {"data": tmp_path / "data", "redis_url": redis_url}
    return Settings.model_validate({**values, **ALLOW_LOOPBACK})


@pytest.fixture
def client(folder_settings: Settings) -> Iterator[TestClient]:
    """Start a gateway with the folder store."""
    with TestClient(create_app(folder_settings)) as client:
        yield client


@pytest.fixture
def any_client(settings: Settings) -> Iterator[TestClient]:
    """Start a gateway, for each kind of object store."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """Start a decoder of the gateway with real child processes."""
    shared = Decoder()
    yield shared
    shared.close()
