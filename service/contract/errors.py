"""Stable error codes, shared by HTTP problems and by the `error` of a failed job."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel


class ErrorCode(StrEnum):
    """What went wrong; callers may compare these, so a code never changes its meaning."""

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
    # The address.
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
    """How a code shows over HTTP."""

    status: int
    title: str


ERRORS: dict[ErrorCode, ErrorKind] = {
    ErrorCode.UNAUTHORIZED: ErrorKind(401, "A valid key is needed"),
    ErrorCode.FORBIDDEN: ErrorKind(403, "The caller may not do this"),
    ErrorCode.RATE_LIMITED: ErrorKind(429, "Too many requests"),
    ErrorCode.QUOTA_EXCEEDED: ErrorKind(429, "The caller has as much as it may have"),
    ErrorCode.CONSENT_REQUIRED: ErrorKind(422, "A declaration of consent is needed"),
    ErrorCode.POLICY_REFUSED: ErrorKind(403, "The operator's policy refuses the job"),
    ErrorCode.MALFORMED_BODY: ErrorKind(400, "The body cannot be parsed"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorKind(415, "The body is of a type not taken here"),
    ErrorCode.INVALID_REQUEST: ErrorKind(422, "The request does not fit the route"),
    ErrorCode.INVALID_PARAMS: ErrorKind(422, "The parameters are not valid"),
    ErrorCode.BODY_TOO_LARGE: ErrorKind(413, "The upload is over the limit of bytes"),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: ErrorKind(422, "The key was used for another request"),
    ErrorCode.IDEMPOTENCY_KEY_IN_USE: ErrorKind(409, "A request of this key is being accepted"),
    ErrorCode.URL_REFUSED: ErrorKind(422, "The address is not one that is fetched"),
    ErrorCode.URL_FAILED: ErrorKind(422, "The address gave no file"),
    ErrorCode.INVALID_IMAGE: ErrorKind(422, "The image cannot be read"),
    ErrorCode.IMAGE_TOO_SMALL: ErrorKind(422, "The image is too small"),
    ErrorCode.IMAGE_TOO_LARGE: ErrorKind(422, "The image has too many pixels"),
    ErrorCode.IMAGE_TOO_NARROW: ErrorKind(422, "The image is too narrow"),
    ErrorCode.INVALID_VIDEO: ErrorKind(422, "The driving video cannot be read"),
    ErrorCode.VIDEO_TOO_SMALL: ErrorKind(422, "The driving video is too small"),
    ErrorCode.VIDEO_TOO_LARGE: ErrorKind(422, "The driving video has too many pixels"),
    ErrorCode.VIDEO_TOO_LONG: ErrorKind(422, "The driving motion is too long"),
    ErrorCode.DECODER_STOPPED: ErrorKind(422, "The file breaks its decoder"),
    ErrorCode.INVALID_POSE_FILE: ErrorKind(422, "The pose file cannot be used"),
    ErrorCode.INVALID_PARAMETER: ErrorKind(422, "A parameter cannot be used with these inputs"),
    ErrorCode.INVALID_INPUT: ErrorKind(422, "The input cannot be used"),
    ErrorCode.INVALID_MEDIA: ErrorKind(422, "The image or the video cannot be read"),
    ErrorCode.NO_PERSON: ErrorKind(422, "No person was found"),
    ErrorCode.NOT_FOUND: ErrorKind(404, "There is nothing at this address"),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorKind(405, "The address does not take this method"),
    ErrorCode.JOB_NOT_FOUND: ErrorKind(404, "There is no such job"),
    ErrorCode.DELIVERY_NOT_FOUND: ErrorKind(404, "There is no such message to a webhook"),
    ErrorCode.JOB_NOT_ENDED: ErrorKind(409, "The job has not ended yet"),
    ErrorCode.JOB_ERASED: ErrorKind(410, "The job was erased"),
    ErrorCode.UPLOAD_NOT_FOUND: ErrorKind(404, "There is no such upload"),
    ErrorCode.RESULT_NOT_READY: ErrorKind(409, "The job has not finished yet"),
    ErrorCode.NO_RESULT: ErrorKind(404, "The job has no such result"),
    ErrorCode.INVALID_SIGNATURE: ErrorKind(403, "The link has expired or was altered"),
    ErrorCode.WORKER_LOST: ErrorKind(500, "The workers that took the job were lost"),
    ErrorCode.START_DEADLINE: ErrorKind(504, "No worker took the job in time"),
    ErrorCode.RUN_DEADLINE: ErrorKind(504, "The job did not end in time"),
    ErrorCode.OUT_OF_MEMORY: ErrorKind(500, "The job does not fit the worker's memory"),
    ErrorCode.UNAVAILABLE: ErrorKind(503, "The service cannot do this just now"),
    ErrorCode.INTERNAL: ErrorKind(500, "Something went wrong on our side"),
}


class JobError(BaseModel, frozen=True):
    """Why a job failed."""

    code: ErrorCode
    title: str
    detail: str
    stage: str | None = None

    @classmethod
    def of(cls, code: ErrorCode, detail: str, stage: str | None = None) -> JobError:
        """The error with the title that belongs to its code."""
        return cls(code=code, title=ERRORS[code].title, detail=detail, stage=stage)
