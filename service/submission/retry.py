"""Body of a retry: changes to the parameters and options of an earlier job."""

from __future__ import annotations

import json

from pydantic import BaseModel

from service.contract.job import JobRecord
from service.contract.requests import RetryRequest
from service.submission.receive import SubmissionBody, read_model


def read_retry(text: bytes, record: JobRecord) -> SubmissionBody:
    """Return the submission of a job like `record`, with its stored inputs.

    Args:
        text: JSON of a `RetryRequest`, or nothing. Fields that it does not give are those of the
            earlier job.

    Raises:
        RejectedError: not JSON, or a changed parameter or option is invalid.
    """
    body = read_model(RetryRequest, "body", _merged(text or b"{}", record))
    return SubmissionBody(
        record.kind, body.params, body.options, stored=record.inputs.object_keys()
    )


def _merged(text: bytes, record: JobRecord) -> bytes:
    """Return the body with the fields that it leaves out; unchanged if it is not a JSON object."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(body, dict):
        return text
    earlier: dict[str, BaseModel] = {"params": record.params, "options": record.options}
    for name, model in earlier.items():
        changes = body.get(name, {})
        if isinstance(changes, dict):
            body[name] = model.model_dump(mode="json") | changes
    return json.dumps(body).encode()
