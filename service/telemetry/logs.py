"""JSON logs, one object per line, with request and job ids and with secrets redact."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from service.telemetry.context import JOB_ID, REQUEST_ID, trace_id

REDACTED = "***"
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
    """Formats a log record as JSON: time, level, logger, message and known ids."""

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


def start_logging(level: int = logging.INFO) -> None:
    """Log to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
