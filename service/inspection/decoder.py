"""Inspection of files in sandboxed child processes; the gateway decodes files nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from media.errors import Problem
from media.limits import MediaLimits, PoseFileLimits
from sandbox.child import Child
from sandbox.children import Sandbox
from sandbox.errors import ChildStoppedError, SandboxUnusableError
from sandbox.limits import ChildLimits
from service.contract.errors import ErrorCode
from service.errors import RejectedError, UnavailableError
from service.input_limits import InputLimits
from service.inspection.child_pool import Slot
from service.inspection.memory_budget import required_bytes
from service.inspection.rejection import rejection
from service.stores.object_store.base import Content

MODULE = "service.inspection.child"
TARGET = f"{MODULE}:inspect"
# Per child and per file; enough for headers and one image each. A file that takes longer would take
# the workers too long.
CPU_S, WAIT_S = 20, 20.0


class FileSummary(BaseModel):
    """A child's answer on a file. It has read an untrusted file, so the answer is validated.

    Attributes:
        suffix: file suffix of the format.
        frames: number of frames of a video or a pose file.
        seconds: duration of a video.
        fps: frame rate of a pose file; None for the default one.
        problem: None for a valid file.
        detail: describes the problem.
    """

    model_config = ConfigDict(extra="forbid", strict=False)

    suffix: str = Field("", pattern=r"^(\.[a-z0-9]{2,4})?$")
    frames: int | None = Field(None, ge=0)
    seconds: float | None = Field(None, ge=0.0, allow_inf_nan=False)
    fps: float | None = Field(None, gt=0.0, allow_inf_nan=False)
    problem: Problem | None = None
    detail: str = Field("", max_length=2000)


class Decoder:
    """A sandbox that inspects images, videos and pose files. Threads may share it."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(MODULE)

    def close(self) -> None:
        """Stop all children."""
        self._sandbox.close()

    def inspect(
        self,
        files: Mapping[str, Content],
        limits: InputLimits,
        slot: Slot | None = None,
        pose_options: Mapping[str, Any] | None = None,
    ) -> dict[str, FileSummary]:
        """Return the properties of the files of one request; blocks.

        A file may take over the child that decodes it. So what a child says after its first
        request counts only if it accepts the files, which workers decode again; files that it
        refuses, or on which it stops, are inspected by a new child.

        Args:
            files: contents by role: `image`, `driving` (a video), `poses` or `image_pose`. One
                child inspects them in this order, with the memory of the largest.
            limits: limits on the files.
            slot: has the child to use, or gets a new one; None for one that ends with the call.
            pose_options: arguments of `media.poses.document.pose_file_options`.

        Raises:
            RejectedError: a file cannot be used, or the decoder was stopped on it.
            UnavailableError: no decoder can be started.
        """
        if slot is None:
            with closing(Slot()) as slot:
                return self.inspect(files, limits, slot, pose_options)
        calls = _calls(files, limits, pose_options or {})
        if slot.child is not None:
            try:
                return _ask(slot.child, calls)
            except RejectedError:
                slot.close()
        memory = max(required_bytes(role, content, limits) for role, content in files.items())
        try:
            slot.child = self._sandbox.start_child(TARGET, ChildLimits(memory, CPU_S, WAIT_S))
        except SandboxUnusableError as error:
            raise UnavailableError(f"decoders: {error}") from error
        return _ask(slot.child, calls)


def _calls(
    files: Mapping[str, Content], limits: InputLimits, pose_options: Mapping[str, Any]
) -> dict[str, tuple[Content, dict[str, Any]]]:
    """Return each file by its role, with the argument for the child."""
    return {
        role: (
            content,
            {
                "role": role,
                "limits": asdict(_limits(role, limits)),
                "pose_options": dict(pose_options),
            },
        )
        for role, content in files.items()
    }


def _ask(
    child: Child, calls: Mapping[str, tuple[Content, dict[str, Any]]]
) -> dict[str, FileSummary]:
    """Return a child's answers on the files of one request. Raises RejectedError."""
    child.request(list(calls.values()))
    summaries = {}
    for role in calls:
        with _map_child_errors(role):
            summary = summaries[role] = FileSummary.model_validate(child.json())
        if summary.problem is not None:
            raise rejection(role, summary.problem, summary.detail)
    with _map_child_errors(role):
        child.finish()
    return summaries


def _limits(role: str, limits: InputLimits) -> MediaLimits | PoseFileLimits:
    if role in ("poses", "image_pose"):
        return limits.pose_file()
    return limits.image() if role == "image" else limits.video()


@contextmanager
def _map_child_errors(role: str) -> Iterator[None]:
    """Raise RejectedError in place of a stopped child's error, and for an invalid answer."""
    try:
        yield
    except ChildStoppedError as error:
        detail = f"{role}: the decoder {error.detail}"
        raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
    except ValidationError as error:
        detail = f"{role}: the decoder sent an invalid answer"
        raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
