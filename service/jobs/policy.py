"""The operator's say in what is animated: a policy sees each job before it is queued.

There is none by default. `TCAN_POLICY=module:object` names an object with the method of `Policy`,
or a class or function that gives one when it is called without arguments:

    class NoStrangers:
        def judge(self, asked: Asked) -> None:
            if not known(asked.files["image"]):
                raise PolicyRefusalError("unknown_face", "the picture shows nobody of the cast")
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
class Asked:
    """What a caller asks for.

    Attributes:
        caller: the name of its key, or `anonymous`.
        consent: what the caller declared, in its own words.
        files: the inputs by `image` and `driving`, already found to be usable: their bytes, or
            files that are gone when the policy has spoken.
    """

    kind: JobKind
    caller: str
    consent: str | None
    params: JobParams
    files: Mapping[str, Content]


class PolicyRefusalError(Exception):
    """What a policy raises to refuse a job.

    Args:
        reason: stable, for programs: small letters, digits, `_`, `.` and `-`.
        detail: one sentence for the caller.
    """

    def __init__(self, reason: str, detail: str) -> None:
        if not REASON.fullmatch(reason):
            raise ValueError(f"a reason is 1 to 64 of a-z, 0-9, '_', '.' and '-', not {reason!r}")
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@runtime_checkable
class Policy(Protocol):
    """Decides whether a job may be done. It is called in a thread, several at a time."""

    def judge(self, asked: Asked) -> None:
        """Return to let the job be queued.

        Raises:
            PolicyRefusalError: it may not be. Any other error refuses it as well, as `internal`.
        """


def load_policy(name: str) -> Policy:
    """The policy that a setting names. Raises SettingsError when it is none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"TCAN_POLICY {name!r}: write it as module:object ({error})") from error
    made = found if isinstance(found, Policy) and not isinstance(found, type) else _called(found)
    if not isinstance(made, Policy):
        raise SettingsError(f"TCAN_POLICY {name!r}: it has no method judge(asked)")
    return made


def _called(found: object) -> object:
    return found() if callable(found) else found
