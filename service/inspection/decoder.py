"""Inspection of files in sandboxed child processes; the gateway decodes files nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from media.errors import Problem
from media.limits import MediaLimits, PoseFileLimits
from sandbox.children import Child, Sandbox
from sandbox.errors import ChildStoppedError, SandboxUnusableError
from sandbox.limits import ChildLimits
from service.contract.errors import ErrorCode
from service.errors import RejectedError, UnavailableError
from service.input_limits import InputLimits
from service.inspection.memory_budget import required_bytes
from service.inspection.rejection import rejection
from service.stores.object_store.base import Content

MODULE = "service.inspection.child"
# Per file; enough for headers and one image. A file that takes longer would take the workers too
# long.
CPU_S, WAIT_S = 10, 20.0


class FileSummary(BaseModel):
    """A child's answer on a file. It has read an untrusted file, so the answer is validated.

    Attributes:
        suffix: file suffix of the format; empty for a pose file.
        frames: number of frames of a video or a pose file.
        seconds: duration of a video.
        problem: None for a valid file.
        detail: describes the problem.
    """

    model_config = ConfigDict(extra="forbid", strict=False)

    suffix: str = ""
    frames: int | None = Field(None, ge=0)
    seconds: float | None = Field(None, ge=0.0, allow_inf_nan=False)
    problem: Problem | None = None
    detail: str = Field("", max_length=2000)


class Decoder:
    """A sandbox that inspects images, videos and pose files. Threads may share it."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(MODULE)

    def close(self) -> None:
        """Stop all children."""
        self._sandbox.close()

    def inspect(self, files: Mapping[str, Content], limits: InputLimits) -> dict[str, FileSummary]:
        """Return the properties of the files of one request; blocks.

        Args:
            files: contents by role: `image`, `driving` (a video), `poses` or `image_pose`. One
                child inspects them in this order, with the time of all and the memory of the
                largest.
            limits: limits on the files.

        Raises:
            RejectedError: a file cannot be used, or the decoder was stopped on it.
            UnavailableError: no decoder can be started.
        """
        calls = [
            (content, {"role": role, "limits": asdict(_limits(role, limits))})
            for role, content in files.items()
        ]
        memory = max(required_bytes(role, content, limits) for role, content in files.items())
        bounds = ChildLimits(memory, CPU_S * len(files), WAIT_S * len(files))
        try:
            with self._sandbox.child(f"{MODULE}:inspect", calls, bounds) as child:
                return {role: _summary(role, child) for role in files}
        except SandboxUnusableError as error:
            raise UnavailableError(f"decoders: {error}") from error


def _limits(role: str, limits: InputLimits) -> MediaLimits | PoseFileLimits:
    if role in ("poses", "image_pose"):
        return limits.pose_file()
    return limits.image() if role == "image" else limits.video()


def _summary(role: str, child: Child) -> FileSummary:
    """Return the child's next answer. Raises RejectedError."""
    try:
        summary = FileSummary.model_validate(child.json())
    except ChildStoppedError as error:
        detail = f"{role}: the decoder {error.detail}"
        raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
    except ValidationError as error:
        detail = f"{role}: the decoder sent an invalid answer"
        raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
    if summary.problem is not None:
        raise rejection(role, summary.problem, summary.detail)
    return summary
