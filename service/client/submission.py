"""A job to submit: its files, URLs and uploads as the body of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from service.contract.options import JobOptions
from service.contract.params import JobParams

Source = Path | str
"""A file, or an http or https URL that the service fetches."""

# Larger files are uploaded to the object store by a signed form instead of through the gateway.
UPLOAD_ABOVE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Submission:
    """A job to submit; its idempotency `key` makes retries safe.

    Attributes:
        path: the route's path.
        inputs: files and URLs by input name.
        uploads: ids of uploaded files by input name.
    """

    path: str
    inputs: Mapping[str, Source]
    params: JobParams | None
    options: JobOptions | None
    key: str
    uploads: Mapping[str, str] = field(default_factory=dict)

    def to_upload(self, above_bytes: int) -> dict[str, Path]:
        """Return the files to upload by a form: all if one is big or another input is a URL."""
        files = {name: it for name, it in self.inputs.items() if isinstance(it, Path)}
        mixed = len(files) < len(self.inputs)
        big = any(file.stat().st_size > above_bytes for file in files.values())
        return files if mixed or big else {}

    def uploaded(self, uploads: Mapping[str, str]) -> Submission:
        """Return the submission with files replaced by uploads."""
        inputs = {name: it for name, it in self.inputs.items() if name not in uploads}
        return replace(self, inputs=inputs, uploads=uploads)

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """Open the headers and the body of one attempt, as httpx keyword arguments."""
        headers = {"Idempotency-Key": self.key}
        models = {"params": self.params, "options": self.options}
        sent_models = {name: model for name, model in models.items() if model is not None}
        files = {name: it for name, it in self.inputs.items() if isinstance(it, Path)}
        if not files:
            references = {f"{name}_url": it for name, it in self.inputs.items()}
            references |= {f"{name}_upload": it for name, it in self.uploads.items()}
            body = {name: model.model_dump(mode="json") for name, model in sent_models.items()}
            yield {"headers": headers, "json": references | body}
            return
        with ExitStack() as stack:
            parts: dict[str, Any] = {
                name: (None, model.model_dump_json(), "application/json")
                for name, model in sent_models.items()
            }
            for name, file in files.items():
                parts[name] = (file.name, stack.enter_context(open(file, "rb")))
            yield {"headers": headers, "files": parts}
