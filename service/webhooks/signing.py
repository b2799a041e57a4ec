"""Signatures of the Standard Webhooks specification: `v1` (HMAC) and `v1a` (ed25519).

A caller's secret is derived from the service's key, the caller's id and the secret's generation. So
Redis stores generations but no secrets, and only a process with the key can sign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.errors import SettingsError

SEED_BYTES = 32


@dataclass(frozen=True)
class Signer:
    """Signs messages.

    Attributes:
        key: the service's key; all secrets are derived from it.
        private_keys: ed25519 keys; each adds a signature `v1a`. Use two for a rotation.
    """

    key: bytes
    private_keys: tuple[Ed25519PrivateKey, ...] = ()

    def secret(self, caller: str, generation: int) -> str:
        """Return a caller's secret for its receivers: `whsec_` and base64 of 32 bytes."""
        return f"whsec_{_base64(self._secret(caller, generation))}"

    def public_keys(self) -> list[str]:
        """Return the public keys for `v1a`: `whpk_` and base64 of 32 bytes each."""
        return [f"whpk_{_base64(key.public_key().public_bytes_raw())}" for key in self.private_keys]

    def headers(
        self, message_id: str, time_s: int, body: bytes, caller: str, generations: list[int]
    ) -> dict[str, str]:
        """Return the three headers of a message, with one signature per secret and key."""
        content = f"{message_id}.{time_s}.".encode() + body
        signatures = [
            f"v1,{_base64(hmac.digest(self._secret(caller, generation), content, 'sha256'))}"
            for generation in generations
        ]
        signatures += [f"v1a,{_base64(key.sign(content))}" for key in self.private_keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(time_s),
            "webhook-signature": " ".join(signatures),
        }

    def _secret(self, caller: str, generation: int) -> bytes:
        name = f"webhook secret {generation} of {caller}".encode()
        return hmac.digest(self.key, name, hashlib.sha256)


def read_private_keys(text: str) -> tuple[Ed25519PrivateKey, ...]:
    """Parse keys of the form `whsk_` and base64, separated by spaces.

    Raises:
        SettingsError: one of them is not a key.
    """
    return tuple(_private_key(word) for word in text.split())


def _private_key(word: str) -> Ed25519PrivateKey:
    try:
        raw = base64.b64decode(word.removeprefix("whsk_"), validate=True)
    except binascii.Error:
        raw = b""
    # The public key may follow the seed.
    if not word.startswith("whsk_") or len(raw) not in (SEED_BYTES, 2 * SEED_BYTES):
        raise SettingsError(
            "TCAN_WEBHOOK_ED25519_KEYS: each key must be 'whsk_' and base64 of 32 bytes"
        )
    return Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
