"""Pictures and videos of callers, decoded in a child process and handed over as pixels.

It is the `MediaSource` that the animator gives to the core. A child has seen a stranger's file: the
sizes that it tells are held to the limits here again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from sandbox.children import Child, Sandbox
from sandbox.errors import ChildStoppedError, SandboxUnusableError
from sandbox.limits import ChildLimits
from service.contract.errors import ErrorCode
from service.errors import UnavailableError
from service.input_limits import InputLimits
from worker.failures import AnimationError

# By its name: of the worker's modules the animator alone imports the core.
MODULE = "media.child"
CHANNELS = 3
# The parent waits longer than the child computes: it is rarely alone on its processor.
WAIT_PER_CPU_S = 4


class Told(BaseModel):
    """What a child says beside the pixels."""

    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    frames: int = Field(1, ge=0)
    fps: str = Field("1", max_length=40, pattern=r"^[1-9][0-9]*(/[1-9][0-9]*)?$")
    code: ErrorCode | None = None
    detail: str = Field("", max_length=2000)


@dataclass
class ChildFrames:
    """The frames of a child as they come, (height, width, 3) uint8 RGB; they are read once.

    Attributes:
        shape: of each frame.
        expected: how many the child says there will be.
        most: how many are taken.
    """

    child: Child
    shape: tuple[int, int, int]
    fps: Fraction
    expected: int
    most: int

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for _ in range(self.most):
            frame = _pixels(self.child, self.shape)
            if frame is None:
                return
            yield frame
        if self.child.next() is not None:
            raise AnimationError(ErrorCode.DECODER_STOPPED, f"more than {self.most:,} frames came")


class ChildSource:
    """Decodes each file in a fresh child process.

    Args:
        limits: those of the service; what the core allows comes with each call.
    """

    def __init__(self, limits: InputLimits) -> None:
        self._sandbox = Sandbox(MODULE)
        self._bounds = ChildLimits(
            limits.decoder_memory_bytes,
            limits.decoder_cpu_s,
            WAIT_PER_CPU_S * limits.decoder_cpu_s,
        )
        self._check: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to load the decoders, which the first file would else wait for."""
        self._sandbox.start()

    def asking(self, check: Callable[[], None]) -> ChildSource:
        """The same decoders, for one piece of work.

        Args:
            check: called whenever a decoder is waited for, and may raise.
        """
        asking = copy(self)
        asking._check = check
        return asking

    def image(self, path: Path, limits: Any) -> NDArray[np.uint8]:
        """A still image, (height, width, 3) uint8 RGB. Raises AnimationError."""
        with self._child("image", path, limits) as child:
            pixels = _pixels(child, _shape(_told(child), limits))
        if pixels is None:
            raise AnimationError(ErrorCode.DECODER_STOPPED, f"{path.name}: no pixels came")
        return pixels

    def video(self, path: Path, limits: Any) -> AbstractContextManager[ChildFrames]:
        """A video or a still image, open for the time of a block, which raises AnimationError."""
        return self._video(path, limits)

    def close(self) -> None:
        """End what is at work."""
        self._sandbox.close()

    @contextmanager
    def _video(self, path: Path, limits: Any) -> Iterator[ChildFrames]:
        with self._child("video", path, limits) as child:
            told = _told(child)
            shape = _shape(told, limits)
            yield ChildFrames(child, shape, Fraction(told.fps), told.frames, limits.max_frames)

    @contextmanager
    def _child(self, what: str, path: Path, limits: Any) -> Iterator[Child]:
        argument = {"name": path.name, "limits": asdict(limits)}
        try:
            with self._sandbox.child(
                f"{MODULE}:{what}", path, argument, self._bounds, self._check
            ) as child:
                yield child
        except ChildStoppedError as error:
            detail = f"{path.name}: the decoder {error.detail}"
            raise AnimationError(ErrorCode.DECODER_STOPPED, detail) from error
        except SandboxUnusableError as error:
            raise UnavailableError(f"decoders: {error}") from error


def _told(child: Child) -> Told:
    """What it says of its file. Raises AnimationError when it refuses the file."""
    try:
        told = Told.model_validate(child.json())
    except ValidationError as error:
        detail = "the decoder said what it never says"
        raise AnimationError(ErrorCode.DECODER_STOPPED, detail) from error
    if told.code is not None:
        raise AnimationError(told.code, told.detail)
    return told


def _shape(told: Told, limits: Any) -> tuple[int, int, int]:
    if not 0 < told.height * told.width <= limits.max_pixels:
        detail = f"the decoder told of {told.width}x{told.height} pixels"
        raise AnimationError(ErrorCode.DECODER_STOPPED, detail)
    return told.height, told.width, CHANNELS


def _pixels(child: Child, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    """The next frame, or None at the end. Raises AnimationError when the file is damaged there."""
    size = shape[0] * shape[1] * shape[2]
    child.allow(size)
    message = child.next()
    if message is None:
        return None
    if isinstance(message, bytes):
        raise _refusal(message)
    if len(message) != size:
        raise AnimationError(ErrorCode.DECODER_STOPPED, "a frame of another size came")
    return np.frombuffer(message, np.uint8).reshape(shape)


def _refusal(message: bytes) -> AnimationError:
    try:
        told = Told.model_validate_json(message)
    except ValidationError:
        told = Told()
    return AnimationError(told.code or ErrorCode.DECODER_STOPPED, told.detail or "it broke off")
