"""Certificates that sign results: the operator's, or one for development.

The development certificate is made at the first start. Its issuer's key is discarded at once, so it
signs nothing else; readers call such files valid, but their signer untrusted.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from service.errors import SettingsError

CHAIN, KEY, ROOT = "chain.pem", "key.pem", "root.pem"
LIFE = timedelta(days=3650)
# C2PA's own purpose of a certificate, besides a common one: readers require one or the other.
CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Credentials:
    """A certificate chain, its private key, and C2PA's name of their algorithm.

    Attributes:
        chain: PEM, the signer's certificate first.
        key: PEM, PKCS 8; never part of an error's text.
    """

    chain: bytes
    key: bytes
    algorithm: str

    def __repr__(self) -> str:
        return f"Credentials({self.algorithm})"


def operator_credentials(cert: Path, key: Path) -> Credentials:
    """Read the operator's credentials. Raises SettingsError when they are unusable."""
    try:
        chain, secret = cert.read_bytes(), key.read_bytes()
        leaf, private = x509.load_pem_x509_certificate(chain), load_pem_private_key(secret, None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"the C2PA certificate {cert} and its key {key} cannot be read ({error})"
        ) from error
    if leaf.public_key() != private.public_key():
        raise SettingsError(f"the C2PA key {key} does not belong to the certificate {cert}")
    return Credentials(chain, _pem(private), _algorithm(private))


def development_credentials(folder: Path) -> Credentials:
    """Read a folder's credentials, or make them; of two processes the first one wins."""
    if not (folder / KEY).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        _make(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            shutil.rmtree(unfinished)
    return operator_credentials(folder / CHAIN, folder / KEY)


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    now = datetime.now(UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name("TCAN development issuer")
    root = (
        _certificate(issuer, issuer, root_key, root_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, CLAIM_SIGNING])
    leaf = (
        _certificate(_name("TCAN development"), issuer, key, root_key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(purposes, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    (folder / ROOT).write_bytes(root.public_bytes(Encoding.PEM))
    (folder / CHAIN).write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in (leaf, root)))
    with open(os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(_pem(key))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    names = ((NameOID.ORGANIZATION_NAME, "TCAN (development)"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in names])


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _algorithm(key: PrivateKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise SettingsError("the C2PA key must be P-256, P-384, P-521, Ed25519 or RSA")
