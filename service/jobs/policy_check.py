"""What the operator says to a job before it is queued: the policy, and the consent it needs."""

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
from service.jobs.policy import Asked, Policy, PolicyRefusalError
from service.stores.object_store.base import Content
from service.submission.receive import Received

ORDER = tuple(Priority)


@dataclass(frozen=True)
class Judged:
    """A request on its way to the policy.

    Attributes:
        contents: the inputs that are at hand.
    """

    policy: Policy | None
    received: Received
    caller: Caller
    contents: Mapping[str, Content]

    async def pass_on(self, uploads: Mapping[str, Path]) -> None:
        """Let the policy see all inputs. Raises RejectedError (`policy_refused`)."""
        if self.policy is None:
            return
        asked = Asked(
            kind=self.received.kind,
            caller=self.caller.id,
            consent=self.received.options.consent,
            params=self.received.params,
            files={**self.contents, **uploads},
        )
        try:
            await to_thread.run_sync(self.policy.judge, asked)
        except PolicyRefusalError as refusal:
            raise RejectedError(
                ErrorCode.POLICY_REFUSED, refusal.detail, reason=refusal.reason
            ) from refusal


def check_options(options: JobOptions, caller: Caller, kind: JobKind, needs_consent: bool) -> None:
    """What can be refused before any input is looked at.

    Raises:
        RejectedError: a required consent is missing, or the priority is above the caller's.
    """
    if needs_consent and kind is JobKind.ANIMATE and not (options.consent or "").strip():
        raise RejectedError(
            ErrorCode.CONSENT_REQUIRED,
            "options.consent: say on what ground those who are shown agree",
        )
    if ORDER.index(options.priority) < ORDER.index(caller.highest_priority):
        raise RejectedError(
            ErrorCode.FORBIDDEN,
            f"options.priority: the key allows {caller.highest_priority.value!r} at most, "
            f"not {options.priority.value!r}",
        )
