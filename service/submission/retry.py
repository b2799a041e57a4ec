"""Body of a retry: changes to the parameters and options of an earlier job."""

from __future__ import annotations

import json
from collections.abc import Mapping

from service.contract.errors import ErrorCode
from service.contract.job import JobKind, JobRecord
from service.contract.params import JobParams
from service.contract.requests import PosesRetryRequest, RetryRequest
from service.submission.receive import PARAMS, SubmissionBody, check_keys, read_model

REQUESTS: Mapping[JobKind, type[RetryRequest | PosesRetryRequest]] = {
    JobKind.ANIMATE: RetryRequest,
    JobKind.POSES: PosesRetryRequest,
}


# What only the owner of the earlier job can say, or receives.
OF_OWNER = {"webhook", "consent"}


def read_retry(text: bytes, record: JobRecord, caller: str) -> SubmissionBody:
    """Return the submission of a job like `record`, with its stored inputs.

    Args:
        text: JSON of a `RetryRequest`, or nothing. Fields that it does not give are those of the
            earlier job, but webhook and consent only if `caller` owns it.

    Raises:
        RejectedError: not JSON, or a changed parameter or option is invalid.
    """
    body = read_model(REQUESTS[record.kind], "body", _merged(text or b"{}", record, caller))
    params = JobParams(**dict(body.params))
    return SubmissionBody(record.kind, params, body.options, stored=record.inputs.object_keys())


def _merged(text: bytes, record: JobRecord, caller: str) -> bytes:
    """Return the body with the fields that it leaves out; unchanged if it is not a JSON object."""
    try:
        body = json.loads(text)
        check_keys(text, "body", ErrorCode.INVALID_PARAMS)
    except (ValueError, RecursionError):
        return text
    if not isinstance(body, dict):
        return text
    known = set(PARAMS[record.kind].model_fields)
    foreign = OF_OWNER if record.caller != caller else set()
    earlier = {
        "params": record.params.model_dump(mode="json", include=known),
        "options": record.options.model_dump(mode="json", exclude=foreign),
    }
    for name, fields in earlier.items():
        changes = body.get(name, {})
        if isinstance(changes, dict):
            body[name] = fields | changes
    return json.dumps(body).encode()
