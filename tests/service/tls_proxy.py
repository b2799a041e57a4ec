"""A TLS proxy for a server without TLS, with its certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Create a self-signed certificate for a host and its key, as two PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    signed_certificate = builder.sign(key, hashes.SHA256())
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(signed_certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


@contextmanager
def tls_proxy(upstream: int, chain: Path, key: Path) -> Iterator[int]:
    """Run the proxy for the length of a `with` block; yield its port.

    Args:
        upstream: port of the server.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(_forward(reader, upstream_writer), _forward(upstream_reader, writer))

    with start_blocking_portal() as portal:
        start = partial(asyncio.start_server, serve, "127.0.0.1", 0, ssl=context)
        server = portal.call(start)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            portal.call(server.close)


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
