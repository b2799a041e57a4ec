"""Checks before a job is queued: the operator's policy, consent and priority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class PolicyCheck:
    """The policy check of one request.

    Attributes:
        contents: the inputs that came with the request or were fetched.
    """

    policy: Policy | None
    received: SubmissionBody
    caller: Caller
    contents: Mapping[str, Content]

    async def check(self, uploads: Mapping[str, Path]) -> None:
        """Call the policy with all inputs. Raises RejectedError (`policy_refused`)."""
        if self.policy is None:
            return
        request = PolicyRequest(
            kind=self.received.kind,
            caller=self.caller.id,
            consent=self.received.options.consent,
            params=self.received.params,
            files={**self.contents, **uploads},
        )
        try:
            await to_thread.run_sync(self.policy.judge, request)
        except PolicyRefusalError as refusal:
            raise RejectedError(
                ErrorCode.POLICY_REFUSED, refusal.detail, reason=refusal.reason
            ) from refusal


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
