"""Clients of `rediss://`, Celery included, verify the server's certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotConnected

from service.stores.job_store.hints import make_celery
from tests.service.tls_proxy import certificate, tls_proxy


@dataclass(frozen=True)
class Server:
    """A Valkey behind TLS, with a certificate for `localhost` from a private issuer.

    Attributes:
        issuer: the PEM file of who issued it.
    """

    port: int
    issuer: Path


@pytest.fixture
def server(redis_url: str, tmp_path: Path) -> Iterator[Server]:
    with Redis.from_url(redis_url) as redis:
        upstream = redis.get_connection_kwargs()["port"]
    chain, key = certificate(tmp_path, "localhost")
    with tls_proxy(upstream, chain, key) as port:
        yield Server(port, chain)


def by_redis(url: str) -> None:
    """Connect as the job store does."""
    with Redis.from_url(url) as redis:
        redis.ping()


def by_celery(url: str) -> None:
    """Connect as a worker does; `connect` would retry after two seconds."""
    with make_celery(url).connection_for_read() as connection:
        transport = connection.transport
        transport.close_connection(transport.establish_connection())


@pytest.mark.parametrize("come", [by_redis, by_celery])
def test_certificate_is_checked_for_issuer_and_host_name(
    server: Server, come: Callable[[str], None]
) -> None:
    come(f"rediss://localhost:{server.port}/0?ssl_ca_certs={server.issuer}")
    with pytest.raises(NotConnected, match="certificate is not valid for '127.0.0.1'"):
        come(f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={server.issuer}")
    with pytest.raises(NotConnected, match="self-signed certificate"):
        come(f"rediss://localhost:{server.port}/0")


def test_certificate_check_can_be_disabled(server: Server) -> None:
    by_celery(f"rediss://127.0.0.1:{server.port}/0?ssl_cert_reqs=none")
