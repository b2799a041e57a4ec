"""Stable error codes, shared by HTTP problems and by the `error` of a failed job."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import BaseModel


class ErrorCode(StrEnum):
    """Stable error codes; a code never changes its meaning."""

    http_status: int
    problem_title: str

    # With defaults, since type checkers take the look-up `ErrorCode(value)` for a call of this.
    def __new__(cls, value: str, http_status: int = 500, problem_title: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.http_status, member.problem_title = http_status, problem_title
        return member

    # The caller.
    UNAUTHORIZED = "unauthorized", 401, "A valid API key is required"
    FORBIDDEN = "forbidden", 403, "The key does not allow this"
    RATE_LIMITED = "rate_limited", 429, "Too many requests"
    TOO_MANY_CONNECTIONS = "too_many_connections", 429, "Too many connections"
    TOO_MANY_STREAMS = "too_many_streams", 429, "Too many event streams and waiting requests"
    QUOTA_EXCEEDED = "quota_exceeded", 429, "Quota exceeded"
    CONSENT_REQUIRED = "consent_required", 422, "A declaration of consent is required"
    POLICY_REFUSED = "policy_refused", 403, "Refused by the operator's policy"
    # The request.
    HEAD_TOO_LARGE = "head_too_large", 431, "The request line and headers are too large"
    REQUEST_TIMEOUT = "request_timeout", 408, "The request arrived too slowly"
    MALFORMED_BODY = "malformed_body", 400, "The body cannot be parsed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, "This content type is not supported"
    INVALID_REQUEST = "invalid_request", 422, "The request is invalid"
    INVALID_PARAMS = "invalid_params", 422, "The parameters are invalid"
    BODY_TOO_LARGE = "body_too_large", 413, "The body is too large"
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency_key_reused",
        422,
        "Idempotency key used for another request",
    )
    IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use", 409, "Idempotency key in use"
    URL_REFUSED = "url_refused", 422, "This URL is not allowed"
    URL_FAILED = "url_failed", 422, "The URL could not be downloaded"
    # The inputs.
    INVALID_IMAGE = "invalid_image", 422, "The image cannot be read"
    IMAGE_TOO_SMALL = "image_too_small", 422, "The image is too small"
    IMAGE_TOO_LARGE = "image_too_large", 422, "The image has too many pixels"
    IMAGE_TOO_NARROW = "image_too_narrow", 422, "The image is too narrow"
    INVALID_VIDEO = "invalid_video", 422, "The driving video cannot be read"
    VIDEO_TOO_SMALL = "video_too_small", 422, "The driving video is too small"
    VIDEO_TOO_LARGE = "video_too_large", 422, "The driving video has too many pixels"
    VIDEO_TOO_LONG = "video_too_long", 422, "The driving motion is too long"
    DECODER_STOPPED = "decoder_stopped", 422, "The decoder was stopped on this file"
    INVALID_POSE_FILE = "invalid_pose_file", 422, "The pose file is invalid"
    INVALID_PARAMETER = "invalid_parameter", 422, "A parameter does not fit these inputs"
    INVALID_INPUT = "invalid_input", 422, "The input is invalid"
    INVALID_MEDIA = "invalid_media", 422, "The image or the video cannot be read"
    NO_PERSON = "no_person", 422, "No person was found"
    NOT_A_PUPPET = "not_a_puppet", 422, "The preset animates only puppets"
    # The URL.
    NOT_FOUND = "not_found", 404, "Not found"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "Method not allowed"
    JOB_NOT_FOUND = "job_not_found", 404, "Job not found"
    DELIVERY_NOT_FOUND = "delivery_not_found", 404, "Webhook message not found"
    JOB_NOT_ENDED = "job_not_ended", 409, "The job has not ended yet"
    TOO_MUCH_METADATA = "too_much_metadata", 409, "The job would have too much metadata"
    JOB_ERASED = "job_erased", 410, "The job was erased"
    INPUTS_ERASED = "inputs_erased", 410, "The inputs of the job are no longer stored"
    UPLOAD_NOT_FOUND = "upload_not_found", 404, "Upload not found"
    PRESET_NOT_SERVED = "preset_not_served", 404, "No worker serves this preset"
    RESULT_NOT_READY = "result_not_ready", 409, "The result is not ready"
    NO_RESULT = "no_result", 404, "The job has no such result"
    INVALID_SIGNATURE = "invalid_signature", 403, "The link has expired or was altered"
    # The service.
    WORKER_LOST = "worker_lost", 500, "The workers of this job were lost"
    START_DEADLINE = "start_deadline", 504, "The job did not start before its deadline"
    RUN_DEADLINE = "run_deadline", 504, "The job did not end before its deadline"
    OUT_OF_MEMORY = "out_of_memory", 500, "The worker ran out of memory"
    UNAVAILABLE = "unavailable", 503, "The service is temporarily unavailable"
    INTERNAL = "internal", 500, "Internal error"


class JobError(BaseModel, frozen=True):
    """Why a job failed."""

    code: ErrorCode
    title: str
    detail: str
    stage: str | None = None

    @classmethod
    def of(cls, code: ErrorCode, detail: str, stage: str | None = None) -> JobError:
        """Return the error with the title of its code."""
        return cls(code=code, title=code.problem_title, detail=detail, stage=stage)
