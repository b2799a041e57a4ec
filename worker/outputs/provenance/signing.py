"""Signing of finished files: a C2PA manifest is embedded as the file's last change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import c2pa

from service.errors import SettingsError
from worker.outputs.provenance.credentials import Credentials

# File types that can hold a C2PA manifest. WebM cannot.
TYPES = {
    ".mp4": "video/mp4",
    ".gif": "image/gif",
    ".png": "image/png",
    ".zip": "application/x-zip",
}
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OWN_ASSERTION = "org.tcan.generation"
# No thumbnails in the manifest, and no network access.
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}


class Signer:
    """Signs files with one set of credentials.

    Args:
        version: the tool's version, part of each manifest.

    Raises:
        SettingsError: C2PA rejects the credentials.
    """

    def __init__(self, credentials: Credentials, version: str) -> None:
        self._version = version
        try:
            self._signer = c2pa.Signer.from_info(
                c2pa.C2paSignerInfo(
                    credentials.algorithm.encode(), credentials.chain, credentials.key, None
                )
            )
        except c2pa.C2paError as error:
            raise SettingsError(f"C2PA rejects the certificate: {error}") from error
        self._context = c2pa.Context.from_dict(SETTINGS)

    def sign(self, file: Path, statement: Mapping[str, Any]) -> bool:
        """Embed a signed manifest into a file; return False if its type cannot hold one.

        Args:
            statement: content of the project's own assertion: how the file was made.

        Raises:
            c2pa.C2paError: signing failed. The file is unchanged.
        """
        kind = TYPES.get(file.suffix)
        if kind is None:
            return False
        signed = file.with_name(f".{file.name}.signed")
        builder = c2pa.Builder(self._manifest(file.name, statement), context=self._context)
        try:
            with builder, open(file, "rb") as source, open(signed, "w+b") as target:
                builder.sign(self._signer, kind, source, target)
            signed.replace(file)
        finally:
            signed.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Release the key."""
        self._signer.close()

    def _manifest(self, title: str, statement: Mapping[str, Any]) -> dict[str, Any]:
        tool = {"name": "tcan", "version": self._version}
        created = {
            "action": "c2pa.created",
            "digitalSourceType": GENERATED,
            "softwareAgent": tool,
        }
        return {
            "title": title,
            "claim_generator_info": [tool],
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [created]}},
                {"label": OWN_ASSERTION, "data": dict(statement)},
            ],
        }
