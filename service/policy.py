"""The operator's policy: it is called with each job before the job is queued, and may refuse it.

There is none by default. `TCAN_POLICY=module:object` names an object with the method of `Policy`,
or a class or function that returns one when called without arguments:

    class CastOnly:
        def judge(self, request: PolicyRequest) -> None:
            if not shows_cast_member(request.files["image"]):
                raise PolicyRefusalError("unknown_face", "the image shows no cast member")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, runtime_checkable

from service.contract.job import JobKind
from service.contract.params import JobParams
from service.errors import SettingsError
from service.stores.object_store.base import Content

REASON = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class PolicyRequest:
    """A job that a caller wants to submit.

    Attributes:
        caller: the caller's name, or `anonymous`.
        consent: the caller's declaration of consent, as free text.
        files: the inspected inputs by `image`, `driving` and `image_pose`, if there is one: their
            bytes, or files that are deleted after the policy returns.
    """

    kind: JobKind
    caller: str
    consent: str | None
    params: JobParams
    files: Mapping[str, Content]


class PolicyRefusalError(Exception):
    """Raised by a policy to refuse a job.

    Args:
        reason: stable code for programs: lower-case letters, digits, `_`, `.` and `-`.
        detail: one sentence for the caller.
    """

    def __init__(self, reason: str, detail: str) -> None:
        if not REASON.fullmatch(reason):
            raise ValueError(
                f"reason must be 1 to 64 characters of a-z, 0-9, '_', '.' and '-', got {reason!r}"
            )
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@runtime_checkable
class Policy(Protocol):
    """Decides whether a job is accepted. Threads call it concurrently."""

    def judge(self, request: PolicyRequest) -> None:
        """Return to accept the job.

        Raises:
            PolicyRefusalError: the job is refused. Any other error fails it as `internal`.
        """


def load_policy(name: str) -> Policy:
    """Return the policy at `module:object`. Raises SettingsError when there is none."""
    module, _, attribute = name.partition(":")
    try:
        target = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"TCAN_POLICY={name!r} cannot be imported; write it as module:object ({error})"
        ) from error
    policy = target
    if callable(target) and (isinstance(target, type) or not isinstance(target, Policy)):
        policy = target()
    if not isinstance(policy, Policy):
        raise SettingsError(f"TCAN_POLICY={name!r} has no method judge(request)")
    return policy
