"""Checks before a job is queued: the operator's policy, consent and priority."""

from __future__ import annotations

from collections.abc import Mapping

from anyio import to_thread

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.job import JobKind
from service.contract.options import JobOptions, Priority
from service.errors import RejectedError
from service.policy import Policy, PolicyRefusalError, PolicyRequest
from service.stores.object_store.base import Content
from service.submission.receive import SubmissionBody

ORDER = tuple(Priority)


async def check_policy(
    policy: Policy | None, received: SubmissionBody, caller: Caller, files: Mapping[str, Content]
) -> None:
    """Call the policy with all inputs. Raises RejectedError (`policy_refused`)."""
    if policy is None:
        return
    consent = received.options.consent
    request = PolicyRequest(received.kind, caller.id, consent, received.params, files)
    try:
        await to_thread.run_sync(policy.judge, request)
    except PolicyRefusalError as refusal:
        code, reason = ErrorCode.POLICY_REFUSED, refusal.reason
        raise RejectedError(code, refusal.detail, reason=reason) from refusal


def check_options(
    options: JobOptions, caller: Caller, kind: JobKind, consent_required: bool
) -> None:
    """Check the options before any input is inspected.

    Raises:
        RejectedError: consent is required and missing, or the priority is above the key's.
    """
    if consent_required and kind is JobKind.ANIMATE and not (options.consent or "").strip():
        raise RejectedError(
            ErrorCode.CONSENT_REQUIRED,
            "options.consent is required: state the basis of consent of the people shown",
        )
    if ORDER.index(options.priority) < ORDER.index(caller.highest_priority):
        raise RejectedError(
            ErrorCode.FORBIDDEN,
            f"options.priority: {options.priority.value!r} is above the key's highest priority, "
            f"{caller.highest_priority.value!r}",
        )
