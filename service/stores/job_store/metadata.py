"""Change the metadata of a job."""

from __future__ import annotations

from collections.abc import Mapping

from service.contract.errors import ErrorCode
from service.contract.options import MAX_METADATA, JobOptions
from service.contract.version import least_contract
from service.errors import RejectedError
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import JobSnapshot, parse_optional_snapshot

RAISED = "METADATA "


def change_metadata(job_id: str, changes: Mapping[str, str | None]) -> Command[JobSnapshot | None]:
    """Set and remove (None) metadata of a job in any state; returns None if there is no such job.

    Raises RejectedError `too_much_metadata` with too many names.
    """
    arguments = {
        "id": job_id,
        "changes": dict(changes),
        "max": MAX_METADATA,
        "contract": least_contract(JobOptions(metadata={"any": ""})),
    }
    return Command("change_metadata", arguments, parse_optional_snapshot)


def metadata_error(text: str) -> RejectedError | None:
    """Return the error for a script's error text, if it is about metadata."""
    if RAISED not in text:
        return None
    names = text.partition(RAISED)[2].split()[0]
    return RejectedError(
        ErrorCode.TOO_MUCH_METADATA,
        f"metadata: the job would have {names} names, at most {MAX_METADATA} are allowed; "
        f"remove some by null",
    )
