"""A job to submit: its inputs and fields as the body of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from tcan_client.base import Model
from tcan_client.errors import ClientError
from tcan_client.sources import File, Reference

# Larger files are uploaded to the object store by a signed form instead of through the gateway.
UPLOAD_ABOVE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Submission:
    """A job to submit; its idempotency `key` makes retries safe.

    Attributes:
        path: the route's path.
        inputs: files and references by input name.
        fields: the other fields; those that are None are left out.
    """

    path: str
    inputs: Mapping[str, File | Reference]
    fields: Mapping[str, Model | Mapping[str, Any] | None]
    key: str

    def to_upload(self, above_bytes: int) -> dict[str, File]:
        """Return the files that are too big to be sent through the gateway."""
        return {name: it for name, it in self._files().items() if it.size_bytes > above_bytes}

    def uploaded(self, ids: Mapping[str, str]) -> Submission:
        """Return the submission with files replaced by their uploads' ids."""
        uploads = {name: Reference("upload", id_) for name, id_ in ids.items()}
        return replace(self, inputs={**self.inputs, **uploads})

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """Open the headers and the body of one attempt, as httpx keyword arguments."""
        headers = {"Idempotency-Key": self.key}
        fields = {name: plain(field) for name, field in self.fields.items() if field is not None}
        files, references = self._files(), self._references()
        if not files:
            yield {"headers": headers, "json": references | fields}
            return
        with ExitStack() as stack:
            parts: dict[str, Any] = {
                name: (None, json.dumps(field), "application/json")
                for name, field in fields.items()
            }
            parts |= {name: (None, value) for name, value in references.items()}
            for name, file in files.items():
                parts[name] = (file.name, stack.enter_context(file.open()))
            yield {"headers": headers, "files": parts}

    def _files(self) -> dict[str, File]:
        return {name: it for name, it in self.inputs.items() if isinstance(it, File)}

    def _references(self) -> dict[str, str]:
        return {
            f"{name}_{it.kind}": it.value
            for name, it in self.inputs.items()
            if isinstance(it, Reference)
        }


def submission_key(key: str | None) -> str:
    """Return the idempotency key, a random one for None.

    Raises:
        ClientError: the service would refuse it, or no header can carry it.
    """
    if key is None:
        return uuid4().hex
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise ClientError(
            f"the idempotency key must be 1 to 255 visible ASCII characters, got {key!r}"
        )
    return key


def plain(field: Model | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a field as JSON data; what a model leaves to the service is left out."""
    return field.model_dump(mode="json", exclude_none=True) if isinstance(field, Model) else field
