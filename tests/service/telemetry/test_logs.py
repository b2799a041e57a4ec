"""Log lines are JSON with ids and without secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from service.telemetry.context import REQUEST_ID, about_job, context_fields, job_context
from service.telemetry.logs import JsonFormatter, redact


def line(message: str, *arguments: object, **more: Any) -> dict[str, Any]:
    """Return the formatted line."""
    record = logging.LogRecord("tcan.test", logging.INFO, "f.py", 1, message, arguments, None)
    vars(record).update(more)
    parsed: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return parsed


def test_log_line_contains_job_and_request_ids() -> None:
    with job_context("j1", "render", "r1", None):
        inside = line("step %d", 3)
    assert (inside["job_id"], inside["request_id"], inside["message"]) == ("j1", "r1", "step 3")
    assert (inside["level"], inside["logger"]) == ("info", "tcan.test")
    assert inside["time"].endswith("Z")
    assert {"job_id", "request_id", "trace_id"}.isdisjoint(line("outside"))


def test_log_line_contains_fields_and_exception() -> None:
    try:
        raise ValueError("cannot reach redis://:hunter2@host:1/0")
    except ValueError:
        fields_logged = line("failed", fields={"status": 500}, exc_info=sys.exc_info())
    assert fields_logged["status"] == 500
    assert "ValueError" in fields_logged["exception"]
    assert "hunter2" not in json.dumps(fields_logged)


def test_log_line_contains_the_worker_and_a_job_outside_of_its_context() -> None:
    record = logging.LogRecord("tcan.test", logging.INFO, "f.py", 1, "worker lost", (), None)
    with about_job("j2"):
        written = json.loads(JsonFormatter("host-7-ab").format(record))
    assert (written["job_id"], written["worker_id"]) == ("j2", "host-7-ab")
    assert "job_id" not in line("outside")


def test_log_level_is_ours_and_libraries_stay_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCAN_LOG_LEVEL", "debug")
    script = "import logging; from service.settings import load_settings\n"
    script += "from service.telemetry.logs import start_logging\n"
    script += "start_logging(load_settings().log_level)\n"
    script += "for name in ('service.gateway', 'botocore.auth', 'celery.app.trace'):\n"
    script += "    logging.getLogger(name).debug('words of %s', name)\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    [written] = [json.loads(text) for text in done.stderr.splitlines()]
    assert (written["level"], written["logger"]) == ("debug", "service.gateway")


def test_request_id_is_stored_in_the_job() -> None:
    assert context_fields() == {}
    token = REQUEST_ID.set("r2")
    assert context_fields() == {"request_id": "r2"}
    REQUEST_ID.reset(token)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("redis://:s3cr3t@127.0.0.1:6379/0 is gone", "s3cr3t"),
        ("https://me:s3cr3t@x/y", "s3cr3t"),
        ("signed with whsec_c2VjcmV0", "c2VjcmV0"),
        ("/objects/a?expires=1&signature=abcdef12", "abcdef12"),
        ("GET /b?X-Amz-Credential=AKIA1&X-Amz-Signature=ffee", "ffee"),
        ("GET /b?X-Amz-Credential=AKIA1&X-Amz-Signature=ffee", "AKIA1"),
        ("{'Authorization': 'Bearer abc.def'}", "abc.def"),
        ("password=hunter2 was refused", "hunter2"),
        ('{"api_key": "k-123"}', "k-123"),
    ],
)
def test_secrets_are_redacted(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "***" in redact(text)


def test_text_without_secrets_is_unchanged() -> None:
    text = "job 8f14: prepare, attempt 1 (http://127.0.0.1:8000/jobs/8f14)"
    assert redact(text) == text
