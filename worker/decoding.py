"""A `MediaSource` that decodes images and videos of callers in a child process.

A child has read an untrusted file, so the sizes that it reports are checked here again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from media.aac import AacSound, write_file
from media.audio import AAC_RATES, DEFAULT_RATE
from media.image_file import ignore_warning
from media.limits import MediaLimits, PoseFileLimits
from media.poses.archive import pose_files
from media.poses.document import Files
from sandbox.child import Child
from sandbox.children import Sandbox
from sandbox.errors import ChildStoppedError, SandboxUnusableError
from sandbox.limits import ChildLimits
from service.contract.errors import ErrorCode
from service.errors import UnavailableError
from service.input_limits import InputLimits
from worker.failures import AnimationError

MODULE = "media.child"
CHANNELS = 3
# Wall time allowed per second of CPU time: a child shares its processor.
WAIT_PER_CPU_S = 4
MAX_RATE = 96_000  # of AAC
MAX_SOUND_BYTES = 256 * 1024 * 1024


class ChildReport(BaseModel):
    """Report of a child about its file, or its error."""

    height: int = Field(0, ge=0)
    width: int = Field(0, ge=0)
    frames: int = Field(1, ge=0)
    fps: str = Field("1", max_length=40, pattern=r"^[1-9][0-9]*(/[1-9][0-9]*)?$")
    size_bytes: int = Field(0, ge=0, le=MAX_SOUND_BYTES)
    rate: int = Field(DEFAULT_RATE, ge=min(AAC_RATES), le=MAX_RATE)
    layout: str = Field("stereo", max_length=20, pattern=r"^[a-z0-9.()]+$")
    warnings: list[Annotated[str, Field(max_length=1000)]] = Field([], max_length=20)
    code: ErrorCode | None = None
    detail: str = Field("", max_length=2000)


@dataclass
class ChildFrames:
    """The frames of a child as they arrive, (height, width, 3) uint8 RGB; readable once.

    Attributes:
        expected: number of frames that the child announced.
        max_frames: number of frames that are accepted.
        warnings: sentences for the caller on how the file is read.
    """

    child: Child
    shape: tuple[int, int, int]
    fps: Fraction
    expected: int
    max_frames: int
    warnings: Sequence[str] = ()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for _ in range(self.max_frames):
            frame = _pixels(self.child, self.shape)
            if frame is None:
                return
            yield frame
        if self.child.next() is not None:
            raise AnimationError(
                ErrorCode.DECODER_STOPPED, f"the decoder sent more than {self.max_frames:,} frames"
            )


class ChildSource:
    """Decodes each file in a fresh child process.

    Args:
        limits: the service's limits for decoders; the core's limits come with each call.
    """

    def __init__(self, limits: InputLimits) -> None:
        self._sandbox = Sandbox(MODULE)
        self._child_limits = ChildLimits(
            limits.decoder_memory_bytes,
            limits.decoder_cpu_s,
            WAIT_PER_CPU_S * limits.decoder_cpu_s,
        )
        self._check: Callable[[], None] | None = None

    def start(self) -> None:
        """Start loading the decoders, so that the first file does not wait for it."""
        self._sandbox.start()

    def with_check(self, check: Callable[[], None]) -> ChildSource:
        """Return a source with the same decoders for one job.

        Args:
            check: called while a decoder is waited for; may raise to stop the wait.
        """
        source = copy(self)
        source._check = check
        return source

    def image(
        self, path: Path, limits: Any, warn: Callable[[str], None] = ignore_warning
    ) -> NDArray[np.uint8]:
        """Return a still image, (height, width, 3) uint8 RGB. Raises AnimationError."""
        with self._child("image", path, limits) as child:
            report = _report(child)
            pixels = _pixels(child, _shape(report, limits))
        for text in report.warnings:
            warn(text)
        if pixels is None:
            raise AnimationError(
                ErrorCode.DECODER_STOPPED, f"{path.name}: the decoder sent no pixels"
            )
        return pixels

    @contextmanager
    def video(self, path: Path, limits: Any) -> Iterator[ChildFrames]:
        """Open a video or a still image for a `with` block, which may raise AnimationError."""
        with self._child("video", path, limits) as child:
            report = _report(child)
            shape = _shape(report, limits)
            yield ChildFrames(
                child,
                shape,
                Fraction(report.fps),
                report.frames,
                limits.max_frames,
                report.warnings,
            )

    def poses(self, path: Path, limits: PoseFileLimits) -> Files:
        """Return name and content of a pose file, or of those in a zip. Raises AnimationError."""
        if path.suffix != ".zip":
            return pose_files(path, limits)
        with self._child("poses", path, limits) as child:
            count = min(_report(child).frames, limits.max_frames)
            child.allow(limits.max_bytes)
            files: list[tuple[str, bytes]] = []
            while len(files) < count and isinstance(data := child.next(), bytearray):
                files.append((f"{path.name}: file {len(files)}", bytes(data)))
        if not files or len(files) < count:
            raise AnimationError(
                ErrorCode.DECODER_STOPPED, f"{path.name}: the decoder sent fewer files than it said"
            )
        return files

    def sound(self, path: Path, warn: Callable[[str], None], start_s: float) -> bytes | None:
        """Return a video's sound as an mp4 file, or None. Raises AnimationError.

        Only its packets come from the child: the file around them is written here.
        """
        with self._child("sound", path, MediaLimits(), start_s=start_s) as child:
            report = _report(child)
            child.allow(report.size_bytes)
            table, data = (child.next(), child.next()) if report.size_bytes else (None, None)
        for text in report.warnings:
            warn(text)
        if table is None or data is None:
            return None
        try:
            return write_file(AacSound(report.rate, report.layout, bytes(table), bytes(data)))
        except (ValueError, FFmpegError) as error:
            detail = f"{path.name}: the decoder sent sound that cannot be written ({error})"
            raise AnimationError(ErrorCode.DECODER_STOPPED, detail) from error

    def close(self) -> None:
        """End the running decoders."""
        self._sandbox.close()

    @contextmanager
    def _child(self, function: str, path: Path, limits: Any, **more: Any) -> Iterator[Child]:
        argument = {"name": path.name, "limits": asdict(limits), **more}
        try:
            with self._sandbox.child(
                f"{MODULE}:{function}", [(path, argument)], self._child_limits, self._check
            ) as child:
                yield child
        except ChildStoppedError as error:
            detail = f"{path.name}: the decoder {error.detail}"
            raise AnimationError(ErrorCode.DECODER_STOPPED, detail) from error
        except SandboxUnusableError as error:
            raise UnavailableError(f"decoders: {error}") from error


def _report(child: Child) -> ChildReport:
    """Read the child's report. Raises AnimationError when it rejects the file."""
    try:
        report = ChildReport.model_validate(child.json())
    except ValidationError as error:
        detail = "the decoder sent an invalid report"
        raise AnimationError(ErrorCode.DECODER_STOPPED, detail) from error
    if report.code is not None:
        raise AnimationError(report.code, report.detail)
    return report


def _shape(report: ChildReport, limits: Any) -> tuple[int, int, int]:
    if not 0 < report.height * report.width <= limits.max_pixels:
        detail = f"the decoder reported {report.width}x{report.height} pixels"
        raise AnimationError(ErrorCode.DECODER_STOPPED, detail)
    return report.height, report.width, CHANNELS


def _pixels(child: Child, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    """Return the next frame, or None at the end. Raises AnimationError for a damaged file."""
    size = shape[0] * shape[1] * shape[2]
    child.allow(size)
    message = child.next()
    if message is None:
        return None
    if isinstance(message, bytes):
        raise _error(message)
    if len(message) != size:
        raise AnimationError(ErrorCode.DECODER_STOPPED, "the decoder sent a frame of another size")
    return np.frombuffer(message, np.uint8).reshape(shape)


def _error(message: bytes) -> AnimationError:
    try:
        report = ChildReport.model_validate_json(message)
    except ValidationError:
        report = ChildReport()
    code = report.code or ErrorCode.DECODER_STOPPED
    return AnimationError(code, report.detail or "the decoder stopped early")
