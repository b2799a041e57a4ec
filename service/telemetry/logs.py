"""JSON logs, one object per line, with the ids of request, job and worker, and without secrets."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from service.telemetry.context import JOB_ID, REQUEST_ID, trace_id

REDACTED = "***"
# Their lines of lower levels repeat ours, or show every request of a client.
LIBRARIES = (
    *("httpx", "httpcore", "opentelemetry", "boto3", "botocore", "s3transfer", "urllib3"),
    *("celery.app.trace", "celery.worker.strategy", "kombu", "amqp", "asyncio", "PIL"),
)
# The first group of each pattern is kept.
SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\b[a-z][a-z0-9+.-]*://)[^/@\s]*@",
        r"\b(whsec_|whsk_)[A-Za-z0-9+/=_-]+",
        r"\b(tcan_[0-9a-f]{12}_)[A-Za-z0-9_-]+",
        r"((?:signature|x-amz-signature|x-amz-credential|x-amz-security-token)=)[^&\s\"']+",
        r"(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|key)?\s*)[^\s'\",]+",
        r"((?:secret|password|token|api[_-]?key)['\"]?\s*[:=]\s*['\"]?)[^\s'\",&}]+",
    )
)


class JsonFormatter(logging.Formatter):
    """Formats a log record as JSON: time, level, logger, message and known ids.

    Args:
        worker_id: id of the worker that this process is.
    """

    def __init__(self, worker_id: str | None = None) -> None:
        super().__init__()
        self._worker_id = worker_id

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line break."""
        moment = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "request_id": REQUEST_ID.get(),
            "job_id": JOB_ID.get(),
            "worker_id": self._worker_id,
            "trace_id": trace_id(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps({name: value for name, value in fields.items() if value is not None})


def redact(text: str) -> str:
    """Return the text without anything that looks like a secret."""
    for pattern in SECRETS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text


def start_logging(level: str = "info", worker_id: str | None = None) -> None:
    """Log to stderr as JSON.

    Args:
        level: lowest level of our own lines; libraries log from warnings on.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(worker_id))
    logging.captureWarnings(True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    least = max(logging.WARNING, logging.getLogger().level)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(least)
