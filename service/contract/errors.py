"""Stable error codes, shared by HTTP problems and by the `error` of a failed job."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel


class ErrorCode(StrEnum):
    """Stable error codes; a code never changes its meaning."""

    # The caller.
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    CONSENT_REQUIRED = "consent_required"
    POLICY_REFUSED = "policy_refused"
    # The request.
    MALFORMED_BODY = "malformed_body"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_REQUEST = "invalid_request"
    INVALID_PARAMS = "invalid_params"
    BODY_TOO_LARGE = "body_too_large"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use"
    URL_REFUSED = "url_refused"
    URL_FAILED = "url_failed"
    # The inputs.
    INVALID_IMAGE = "invalid_image"
    IMAGE_TOO_SMALL = "image_too_small"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_TOO_NARROW = "image_too_narrow"
    INVALID_VIDEO = "invalid_video"
    VIDEO_TOO_SMALL = "video_too_small"
    VIDEO_TOO_LARGE = "video_too_large"
    VIDEO_TOO_LONG = "video_too_long"
    DECODER_STOPPED = "decoder_stopped"
    INVALID_POSE_FILE = "invalid_pose_file"
    INVALID_PARAMETER = "invalid_parameter"
    INVALID_INPUT = "invalid_input"
    INVALID_MEDIA = "invalid_media"
    NO_PERSON = "no_person"
    # The URL.
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    JOB_NOT_FOUND = "job_not_found"
    DELIVERY_NOT_FOUND = "delivery_not_found"
    JOB_NOT_ENDED = "job_not_ended"
    JOB_ERASED = "job_erased"
    UPLOAD_NOT_FOUND = "upload_not_found"
    RESULT_NOT_READY = "result_not_ready"
    NO_RESULT = "no_result"
    INVALID_SIGNATURE = "invalid_signature"
    # The service.
    WORKER_LOST = "worker_lost"
    START_DEADLINE = "start_deadline"
    RUN_DEADLINE = "run_deadline"
    OUT_OF_MEMORY = "out_of_memory"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ErrorKind(NamedTuple):
    """HTTP status and title of a code."""

    status: int
    title: str


ERRORS: dict[ErrorCode, ErrorKind] = {
    ErrorCode.UNAUTHORIZED: ErrorKind(401, "A valid API key is required"),
    ErrorCode.FORBIDDEN: ErrorKind(403, "The key does not allow this"),
    ErrorCode.RATE_LIMITED: ErrorKind(429, "Too many requests"),
    ErrorCode.QUOTA_EXCEEDED: ErrorKind(429, "Quota exceeded"),
    ErrorCode.CONSENT_REQUIRED: ErrorKind(422, "A declaration of consent is required"),
    ErrorCode.POLICY_REFUSED: ErrorKind(403, "Refused by the operator's policy"),
    ErrorCode.MALFORMED_BODY: ErrorKind(400, "The body cannot be parsed"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorKind(415, "This content type is not supported"),
    ErrorCode.INVALID_REQUEST: ErrorKind(422, "The request is invalid"),
    ErrorCode.INVALID_PARAMS: ErrorKind(422, "The parameters are invalid"),
    ErrorCode.BODY_TOO_LARGE: ErrorKind(413, "The body is too large"),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: ErrorKind(422, "Idempotency key used for another request"),
    ErrorCode.IDEMPOTENCY_KEY_IN_USE: ErrorKind(409, "Idempotency key in use"),
    ErrorCode.URL_REFUSED: ErrorKind(422, "This URL is not allowed"),
    ErrorCode.URL_FAILED: ErrorKind(422, "The URL could not be downloaded"),
    ErrorCode.INVALID_IMAGE: ErrorKind(422, "The image cannot be read"),
    ErrorCode.IMAGE_TOO_SMALL: ErrorKind(422, "The image is too small"),
    ErrorCode.IMAGE_TOO_LARGE: ErrorKind(422, "The image has too many pixels"),
    ErrorCode.IMAGE_TOO_NARROW: ErrorKind(422, "The image is too narrow"),
    ErrorCode.INVALID_VIDEO: ErrorKind(422, "The driving video cannot be read"),
    ErrorCode.VIDEO_TOO_SMALL: ErrorKind(422, "The driving video is too small"),
    ErrorCode.VIDEO_TOO_LARGE: ErrorKind(422, "The driving video has too many pixels"),
    ErrorCode.VIDEO_TOO_LONG: ErrorKind(422, "The driving motion is too long"),
    ErrorCode.DECODER_STOPPED: ErrorKind(422, "The decoder was stopped on this file"),
    ErrorCode.INVALID_POSE_FILE: ErrorKind(422, "The pose file is invalid"),
    ErrorCode.INVALID_PARAMETER: ErrorKind(422, "A parameter does not fit these inputs"),
    ErrorCode.INVALID_INPUT: ErrorKind(422, "The input is invalid"),
    ErrorCode.INVALID_MEDIA: ErrorKind(422, "The image or the video cannot be read"),
    ErrorCode.NO_PERSON: ErrorKind(422, "No person was found"),
    ErrorCode.NOT_FOUND: ErrorKind(404, "Not found"),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorKind(405, "Method not allowed"),
    ErrorCode.JOB_NOT_FOUND: ErrorKind(404, "Job not found"),
    ErrorCode.DELIVERY_NOT_FOUND: ErrorKind(404, "Webhook message not found"),
    ErrorCode.JOB_NOT_ENDED: ErrorKind(409, "The job has not ended yet"),
    ErrorCode.JOB_ERASED: ErrorKind(410, "The job was erased"),
    ErrorCode.UPLOAD_NOT_FOUND: ErrorKind(404, "Upload not found"),
    ErrorCode.RESULT_NOT_READY: ErrorKind(409, "The result is not ready"),
    ErrorCode.NO_RESULT: ErrorKind(404, "The job has no such result"),
    ErrorCode.INVALID_SIGNATURE: ErrorKind(403, "The link has expired or was altered"),
    ErrorCode.WORKER_LOST: ErrorKind(500, "The workers of this job were lost"),
    ErrorCode.START_DEADLINE: ErrorKind(504, "The job did not start before its deadline"),
    ErrorCode.RUN_DEADLINE: ErrorKind(504, "The job did not end before its deadline"),
    ErrorCode.OUT_OF_MEMORY: ErrorKind(500, "The worker ran out of memory"),
    ErrorCode.UNAVAILABLE: ErrorKind(503, "The service is temporarily unavailable"),
    ErrorCode.INTERNAL: ErrorKind(500, "Internal error"),
}


class JobError(BaseModel, frozen=True):
    """Why a job failed."""

    code: ErrorCode
    title: str
    detail: str
    stage: str | None = None

    @classmethod
    def of(cls, code: ErrorCode, detail: str, stage: str | None = None) -> JobError:
        """Return the error with the title of its code."""
        return cls(code=code, title=ERRORS[code].title, detail=detail, stage=stage)
