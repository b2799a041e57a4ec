"""Signatures, verified by other libraries."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from service.errors import SettingsError
from service.webhooks.signing import Signer, read_private_keys

BODY = b'{"type": "job.succeeded"}'
KEY = "whsk_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsk_" + base64.b64encode(bytes(range(64))[32:]).decode()


def headers(signer: Signer, generations: list[int], caller: str = "me") -> dict[str, str]:
    return signer.headers("msg_1", int(time.time()), BODY, caller, generations)


def test_standard_webhooks_library_verifies_signature() -> None:
    signer = Signer(b"k" * 32)
    signed = headers(signer, [2, 1])
    for generation in (1, 2):
        secret = signer.secret("me", generation)
        assert Webhook(secret).verify(BODY, signed) == {"type": "job.succeeded"}
    for foreign in (signer.secret("me", 3), signer.secret("you", 1)):
        with pytest.raises(WebhookVerificationError):
            Webhook(foreign).verify(BODY, signed)
    with pytest.raises(WebhookVerificationError):
        Webhook(signer.secret("me", 1)).verify(BODY + b" ", signed)


def test_secrets_are_derived_from_the_service_key() -> None:
    secrets = {Signer(key).secret("me", 1) for key in (b"a" * 32, b"a" * 32, b"b" * 32)}
    assert len(secrets) == 2


def test_each_ed25519_key_adds_a_signature() -> None:
    signer = Signer(b"k" * 32, read_private_keys(f"{KEY} {OTHER}"))
    signed = headers(signer, [1])
    words = signed["webhook-signature"].split()
    assert [word.split(",")[0] for word in words] == ["v1", "v1a", "v1a"]
    content = f"msg_1.{signed['webhook-timestamp']}.".encode() + BODY
    for word, public in zip(words[1:], signer.public_keys(), strict=True):
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
        key.verify(base64.b64decode(word.removeprefix("v1a,")), content)
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(word.removeprefix("v1a,")), content + b" ")
    Webhook(signer.secret("me", 1)).verify(BODY, signed)


@pytest.mark.parametrize("text", ["whsec_AAAA", "whsk_AAAA", "whsk_*", KEY.removeprefix("whsk_")])
def test_invalid_ed25519_key_raises_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="TCAN_WEBHOOK_ED25519_KEYS"):
        read_private_keys(text)
