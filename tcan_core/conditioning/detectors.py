"""Pose detectors by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tcan_core.conditioning.cleaning.person import choose_person
from tcan_core.conditioning.keypoints import Pose, no_pose
from tcan_core.errors import ParameterError


class PoseDetector(Protocol):
    """What a detector is: frames to people."""

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame, on the frame's own canvas.

        Args:
            frames: (frames, height, width, 3) uint8 RGB, of any size.
        """


class NamedDetector:
    """A detector under the name by which it was built."""

    def __init__(self, name: str, detector: PoseDetector) -> None:
        self.name = name
        self._detector = detector

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame; see `PoseDetector.detect`."""
        return self._detector.detect(frames)

    def detect_one(self, image: NDArray[np.uint8]) -> Pose:
        """Return the main person of one picture, (height, width, 3) uint8 RGB.

        Where nobody is, no joint of the pose is detected.
        """
        (main,) = choose_person(self.detect(image[None]))
        return main or no_pose((image.shape[0], image.shape[1]))


def build_detector(name: str) -> NamedDetector:
    """Return the detector of this name; its weights are loaded once per process.

    Raises:
        ParameterError: no such detector.
        WeightsError: its weights are missing or damaged.
    """
    if name not in _FACTORIES:
        raise ParameterError(f"detector is {name!r}; it must be one of {', '.join(detectors())}")
    return _build(name)


def detectors() -> list[str]:
    """Return the names that `build_detector` takes."""
    return sorted(_FACTORIES)


def register_detector(name: str, factory: Callable[[], PoseDetector]) -> None:
    """Add a detector; `factory` is called when it is first needed.

    Raises:
        ParameterError: the name is taken.
    """
    if name in _FACTORIES:
        raise ParameterError(f"there is a detector {name!r} already")
    _FACTORIES[name] = factory


def _puppet() -> PoseDetector:
    # Here and not above: the network brings torch, which reading a pose file must not load.
    from tcan_core.conditioning.puppet_detector import PuppetDetector

    return PuppetDetector()


_FACTORIES: dict[str, Callable[[], PoseDetector]] = {"puppet": _puppet}


@cache
def _build(name: str) -> NamedDetector:
    return NamedDetector(name, _FACTORIES[name]())
