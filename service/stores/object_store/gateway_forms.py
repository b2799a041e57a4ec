"""Upload forms that the gateway itself accepts, for stores that accept none."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.object_store.base import UploadForm, checked

UPLOAD_ROUTE = "/objects"


class GatewayForms:
    """Makes signed forms and checks them.

    Args:
        key: secret that all gateways of a service share.
        now_s: clock, in seconds since 1970.
        base_url: URL of the gateway for callers; a form's URL is a path if it is empty.
    """

    def __init__(
        self, key: bytes, now_s: Callable[[], float] = time.time, base_url: str = ""
    ) -> None:
        # Signatures for another purpose, by the same secret, must not fit.
        self._key = hmac.new(key, b"upload forms", hashlib.sha256).digest()
        self._now_s = now_s
        self._base_url = base_url

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        """Return a form for uploading one object of 1 to `max_bytes` bytes."""
        expires = str(int(self._now_s()) + ttl_s)
        signature = self._signature(checked(key), str(max_bytes), expires)
        fields = {"key": key, "max_bytes": str(max_bytes), "expires": expires}
        return UploadForm(self._base_url + UPLOAD_ROUTE, {**fields, "signature": signature})

    def admit(self, fields: Mapping[str, str]) -> int:
        """Check a form before its file is read; return the maximum number of bytes.

        Raises:
            RejectedError: the form was altered or has expired.
        """
        genuine = self._signature(fields["key"], fields["max_bytes"], fields["expires"])
        is_genuine = hmac.compare_digest(genuine.encode(), fields["signature"].encode())
        if not is_genuine or int(fields["expires"]) < self._now_s():
            raise RejectedError(
                ErrorCode.INVALID_SIGNATURE, "get a new upload form from POST /uploads"
            )
        return int(fields["max_bytes"])

    def _signature(self, *words: str) -> str:
        return hmac.new(self._key, "\n".join(words).encode(), hashlib.sha256).hexdigest()
