"""Asks a child process what a file is; the one place where the gateway has files decoded."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.children import Sandbox
from sandbox.errors import ChildStoppedError, SandboxUnusableError
from sandbox.limits import ChildLimits
from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import RejectedError, UnavailableError
from service.inspection.memory_budget import needed_bytes
from service.stores.object_store.base import Content

MODULE = "service.inspection.child"
# To look at headers and at one picture. What takes longer would take the workers too long as well.
CPU_S, WAIT_S = 10, 20.0


class Verdict(NamedTuple):
    """What a file is: its suffix, and the frames and the seconds of a video; poses have frames."""

    suffix: str
    frames: int | None
    seconds: float | None


class _Said(BaseModel):
    """What a child may say; it has seen a stranger's file and is believed no more than that."""

    model_config = ConfigDict(extra="forbid", strict=False)

    suffix: str = ""
    frames: int | None = Field(None, ge=0)
    seconds: float | None = Field(None, ge=0.0, allow_inf_nan=False)
    code: ErrorCode | None = None
    detail: str = Field("", max_length=2000)


class Decoder:
    """A sandbox that looks at pictures, videos and pose files. Threads may share it."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(MODULE)

    def close(self) -> None:
        """End what is at work."""
        self._sandbox.close()

    def look(self, role: str, content: Content, limits: InputLimits) -> Verdict:
        """What an `image`, a `driving` video or a file of `poses` is; blocks.

        Raises:
            RejectedError: it cannot be used, or the decoder was ended by it.
            UnavailableError: no decoder can be started.
        """
        argument = {"role": role, "limits": limits.model_dump()}
        bounds = ChildLimits(needed_bytes(role, content, limits), CPU_S, WAIT_S)
        try:
            with self._sandbox.child(f"{MODULE}:judge", content, argument, bounds) as child:
                said = _Said.model_validate(child.json())
        except ChildStoppedError as error:
            detail = f"{role}: the decoder {error.detail}"
            raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
        except ValidationError as error:
            detail = f"{role}: the decoder said what it never says"
            raise RejectedError(ErrorCode.DECODER_STOPPED, detail) from error
        except SandboxUnusableError as error:
            raise UnavailableError(f"decoders: {error}") from error
        if said.code is not None:
            raise RejectedError(said.code, said.detail)
        return Verdict(said.suffix, said.frames, said.seconds)
