"""Examples in openapi.json: a running job, and each error with its actual message."""

from __future__ import annotations

from typing import Any

from service.contract.errors import ErrorCode

JOB_ID = "8f14e45fceea467a9575ecb2d1f6a0aa"
HERE = f"/jobs/{JOB_ID}"
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "version": 9,
    "kind": "animate",
    "status": "running",
    "stage": "denoise",
    "progress": {"step": 7, "steps": 20, "fraction": 0.37, "eta_s": 21.5},
    "eta": {"seconds": 24.0, "relative_error": 0.08, "estimates": 50},
    "attempts": 1,
    "timings": {"waited_s": 0.1, "prepare_s": 0.4, "render_s": 12.2, "stages": {"prepare": 0.4}},
    "created_at": "2026-11-22T10:00:00Z",
    "started_at": "2026-11-22T10:00:00.100Z",
    "cancel_requested": False,
    "params": {"seed": 7, "context_size": 16, "context_overlap": 4},
    "options": {"ttl_s": 604800},
    "warnings": [],
    "links": {"self": HERE, "cancel": f"{HERE}/cancel", "events": f"{HERE}/events"},
}
DELIVERY: dict[str, Any] = {
    "n": 1,
    "id": f"msg_{JOB_ID}_1",
    "event": "job.succeeded",
    "url": "https://studio.example/tcan",
    "status": "pending",
    "created_at": "2026-11-22T10:00:40Z",
    "next_attempt_at": "2026-11-22T10:00:46Z",
    "attempts": [{"at": "2026-11-22T10:00:40Z", "took_s": 0.08, "status": 503}],
}
# What an ended job has otherwise than `JOB`.
ENDED: dict[str, Any] = {
    "version": 31,
    "eta": None,
    "progress": {"step": 20, "steps": 20, "fraction": 1.0},
    "ended_at": "2026-11-22T10:00:40Z",
    "expires_at": "2026-11-29T10:00:40Z",
}
OUTCOMES: dict[str, dict[str, Any]] = {
    "job.running": {},
    "job.succeeded": {"status": "succeeded", **ENDED},
    "job.failed": {
        "status": "failed",
        "error": {
            "code": "run_deadline",
            "title": ErrorCode.RUN_DEADLINE.problem_title,
            "detail": "the job did not end within 40 s (run_deadline_s)",
        },
        **ENDED,
    },
    "job.canceled": {"status": "canceled", "cancel_requested": True, **ENDED},
}
MODEL: dict[str, Any] = {
    "preset": "mini",
    "description": "TCAN at a size that a CPU trains and runs",
    "resolution": 64,
    "num_inference_steps": 4,
    "guidance_scale": 1.25,
    "context_size": 16,
    "context_overlap": 2,
    "ptm_tau": 3.0,
    "scheduler": "ddim",
    "weights": {"vae": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "versions": {"tcan": "0.1.0", "torch": "2.13.0"},
    "licenses": ["apache-2.0"],
}
READY: dict[str, Any] = {
    "status": "ready",
    "workers": [
        {
            "id": "host-1:4242",
            "queues": ["prepare", "render"],
            "preset": "mini",
            "contract": 2,
            "ready": True,
            "stalled": False,
            "model": MODEL,
            "memory": {"device": "cpu", "used_bytes": 734003200, "total_bytes": 16777216000},
        }
    ],
}
MANIFEST: dict[str, Any] = {
    "job": JOB_ID,
    "kind": "animate",
    "preset": "mini",
    "params": {"seed": 7, "context_size": 16, "context_overlap": 4},
    "attempts": 1,
    "seconds": {"prepare": 0.4, "denoise": 12.2},
    "warnings": [],
}
KEYPOINTS: dict[str, Any] = {
    "cleaned": True,
    "fps": 25.0,
    "frames": [{"people": [], "canvas_width": 512, "canvas_height": 512}],
}
METRICS = """\
# HELP tcan_queue_jobs Jobs that wait.
# TYPE tcan_queue_jobs gauge
tcan_queue_jobs{queue="prepare"} 0.0
tcan_queue_jobs{queue="render"} 2.0
"""

# An example of each error: its detail, and the request's path unless that is SUBMIT.
SUBMIT, RESULT = "/animate", f"{HERE}/result"
DETAILS: dict[ErrorCode, str] = {
    ErrorCode.UNAUTHORIZED: "the key is unknown, expired or revoked",
    ErrorCode.FORBIDDEN: (
        "the key lacks the scope 'submit', which POST needs; use a key that has it"
    ),
    ErrorCode.RATE_LIMITED: "more than 60 requests within 60 s; retry in 1 s",
    ErrorCode.TOO_MANY_STREAMS: (
        "256 event streams and requests with 'Prefer: wait' are open, the limit of a caller is 256 "
        "(TCAN_HTTP__STREAMS_PER_CALLER); close some, or poll GET /jobs/{id}"
    ),
    ErrorCode.QUOTA_EXCEEDED: (
        "queued_jobs: 100 jobs are queued, the limit is 100; wait or cancel one"
    ),
    ErrorCode.CONSENT_REQUIRED: (
        "options.consent is required: state the basis of consent of the people shown"
    ),
    ErrorCode.POLICY_REFUSED: "the image shows a protected person",
    ErrorCode.MALFORMED_BODY: "the multipart body ends before its closing boundary",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "Content-Type must be multipart/form-data, got text/plain",
    ErrorCode.INVALID_REQUEST: "query.limit: must be at most 200, got '201'",
    ErrorCode.INVALID_PARAMS: "ptm_tau: must be at most 10, got 11",
    ErrorCode.BODY_TOO_LARGE: "the part 'driving' is over its limit of 1073741824 bytes",
    ErrorCode.IDEMPOTENCY_KEY_REUSED: (
        "Idempotency-Key: already used with a different request body; use a new key"
    ),
    ErrorCode.IDEMPOTENCY_KEY_IN_USE: (
        "a request with the same Idempotency-Key is in progress; retry in a moment"
    ),
    ErrorCode.URL_REFUSED: (
        "image: intranet.example: does not resolve to a public address; the service's operator "
        "can allow it by TCAN_OUTBOUND_ALLOW"
    ),
    ErrorCode.URL_FAILED: (
        "image: assets.example: HTTP 404 Not Found: there is no such file; check the URL"
    ),
    ErrorCode.INVALID_IMAGE: "image: the image is damaged (image file is truncated)",
    ErrorCode.IMAGE_TOO_SMALL: "image: the size is 8x8 pixels; each side must have at least 16",
    ErrorCode.IMAGE_TOO_LARGE: (
        "image: the size is 7000x7000 = 49,000,000 pixels; at most 40,000,000 are allowed"
    ),
    ErrorCode.IMAGE_TOO_NARROW: (
        "image: the image is 16x4000 pixels; the longer side may have at most 4 times as many "
        "as the shorter"
    ),
    ErrorCode.INVALID_VIDEO: "driving: the file has audio but no video",
    ErrorCode.VIDEO_TOO_SMALL: ("driving: the size is 8x8 pixels; each side must have at least 16"),
    ErrorCode.VIDEO_TOO_LARGE: (
        "driving: the size is 8192x4320 = 35,389,440 pixels; at most 8,847,360 are allowed"
    ),
    ErrorCode.VIDEO_TOO_LONG: "driving: the video has 4,000 frames; at most 3,600 are allowed",
    ErrorCode.DECODER_STOPPED: "driving: the decoder needs more than 20 s",
    ErrorCode.INVALID_POSE_FILE: (
        "driving: frame 3, person 0: pose_keypoints_2d has 51 numbers (17 joints); it must hold "
        "54 numbers (18 joints) or 75 numbers (25 joints); COCO's 17 joints are read only with "
        'layout="coco17"'
    ),
    ErrorCode.NO_PERSON: "driving: no person in any of the 25 frames of poses",
    ErrorCode.NOT_FOUND: "GET /objects/jobs/x",
    ErrorCode.JOB_NOT_FOUND: f"there is no job {JOB_ID!r}",
    ErrorCode.DELIVERY_NOT_FOUND: f"job {JOB_ID} has no message 2",
    ErrorCode.JOB_NOT_ENDED: "the job is running; cancel it before you erase it",
    ErrorCode.TOO_MUCH_METADATA: (
        "metadata: the job would have 17 names, at most 16 are allowed; remove some by null"
    ),
    ErrorCode.JOB_ERASED: (
        f"the job {JOB_ID!r} of this Idempotency-Key was erased; submit with a new key"
    ),
    ErrorCode.INPUTS_ERASED: (
        "driving: this input of the job is no longer stored; submit it again by POST /animate"
    ),
    ErrorCode.UPLOAD_NOT_FOUND: (
        "image: there is no upload '5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e'; it may have expired, or "
        "belong to another caller"
    ),
    ErrorCode.PRESET_NOT_SERVED: (
        "params.preset: no live worker serves 'sd15'; served are: mini. Choose one of them, or "
        "leave preset out"
    ),
    ErrorCode.RESULT_NOT_READY: "the job is running; retry when it has succeeded",
    ErrorCode.NO_RESULT: "the job was canceled",
    ErrorCode.INVALID_SIGNATURE: "the link has expired or was altered; get a new one from the job",
    ErrorCode.UNAVAILABLE: "Redis or the object store does not answer; retry in a few seconds",
}
PATHS: dict[ErrorCode, str] = {
    ErrorCode.UNAUTHORIZED: HERE,
    ErrorCode.RATE_LIMITED: HERE,
    ErrorCode.TOO_MANY_STREAMS: f"{HERE}/events",
    ErrorCode.INVALID_REQUEST: "/jobs",
    ErrorCode.NOT_FOUND: "/objects/jobs/x",
    ErrorCode.JOB_NOT_FOUND: HERE,
    ErrorCode.DELIVERY_NOT_FOUND: f"{HERE}/deliveries/2/redeliver",
    ErrorCode.JOB_NOT_ENDED: HERE,
    ErrorCode.TOO_MUCH_METADATA: HERE,
    ErrorCode.INPUTS_ERASED: f"{HERE}/retry",
    ErrorCode.RESULT_NOT_READY: RESULT,
    ErrorCode.NO_RESULT: RESULT,
    ErrorCode.INVALID_SIGNATURE: f"/objects{HERE}/result.mp4",
    ErrorCode.UNAVAILABLE: HERE,
}
FIELD_ERRORS = (ErrorCode.INVALID_PARAMS, ErrorCode.INVALID_REQUEST)


def problem_example(code: ErrorCode) -> dict[str, Any]:
    """Return an example of an error. Raises KeyError for a code that no route returns."""
    shown: dict[str, Any] = {
        "type": f"urn:tcan:problem:{code}",
        "title": code.problem_title,
        "status": code.http_status,
        "code": code.value,
        "detail": DETAILS[code],
        "instance": PATHS.get(code, SUBMIT),
    }
    if code in FIELD_ERRORS:
        field, detail = DETAILS[code].split(": ", 1)
        shown["errors"] = [{"field": field, "detail": detail}]
    if code is ErrorCode.POLICY_REFUSED:
        shown["reason"] = "protected_person"
    return shown


def message_example(event: str) -> dict[str, Any]:
    """Return an example of a webhook message."""
    return {"type": event, "timestamp": "2026-11-22T10:00:40Z", "data": {**JOB, **OUTCOMES[event]}}
