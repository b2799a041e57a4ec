"""Seeded scenes: a character, its background, a motion, and another character that drives it.

Seeds below `FIRST_TEST_SEED` are for training, those from it upwards for tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.puppets.appearance import Appearance, sample_appearance
from tcan_core.puppets.background import draw_background
from tcan_core.puppets.body import Body, place_joints, sample_body
from tcan_core.puppets.drawing import draw_puppet
from tcan_core.puppets.motion import Motion, sample_motion, sample_stance

FIRST_TEST_SEED = 1_000_000
WORLD_VERSION = 2  # incremented whenever a seed gives other images


@dataclass(frozen=True)
class Character:
    """A puppet in its own image: body, appearance, background, and initial neck position."""

    body: Body
    appearance: Appearance
    background: NDArray[np.uint8]
    neck: NDArray[np.float64]  # (2,) fractions of the canvas

    def poses(self, motion: Motion) -> list[Pose]:
        """Return the poses of this character for a motion, one per frame."""
        size = self.background.shape[0]
        necks = self.neck + motion.neck * self.body.nose_neck
        frames = zip(necks, motion.directions, motion.foreshortening, strict=True)
        return [
            place_joints(self.body, neck, directions, short, size)
            for neck, directions, short in frames
        ]

    def draw(self, pose: Pose) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the frame (size, size, 3) uint8 RGB and the coverage (size, size), 0..255."""
        return draw_puppet(self.background, pose, self.body, self.appearance)

    def frames(self, poses: list[Pose]) -> Iterator[NDArray[np.uint8]]:
        """Draw the frames lazily."""
        return (self.draw(pose)[0] for pose in poses)


@dataclass(frozen=True)
class Scene:
    """One pair: the source character and the driving character, with their common motion."""

    source: Character
    driving: Character
    motion: Motion
    stance: Motion

    @property
    def source_pose(self) -> Pose:
        """The pose of the source image; its neck is where the target's first frame has it."""
        return self.source.poses(self.stance)[0]


def sample_character(rng: np.random.Generator, size: int, chibi: float | None = None) -> Character:
    """Sample a character with its background; `chibi` (0..1) sets its proportions."""
    body = sample_body(rng, chibi)
    sole = rng.uniform(0.88, 0.95)
    neck = np.array([rng.uniform(0.4, 0.6), sole - 0.2 * body.nose_neck - body.below_neck])
    return Character(body, sample_appearance(rng), draw_background(rng, size), neck)


def sample_scene(seed: int, num_frames: int, size: int, proportions: str = "any") -> Scene:
    """Sample the scene of a seed.

    Args:
        proportions: "any"; "crossed" makes one of the two characters tall and the other chibi.
    """
    rng = np.random.default_rng(seed)
    source_chibi, driving_chibi = rng.uniform(size=2)
    if proportions == "crossed":
        source_chibi, driving_chibi = (source_chibi * 0.2, 0.8 + driving_chibi * 0.2)[
            :: 1 if rng.uniform() < 0.5 else -1
        ]
    elif proportions != "any":
        raise ValueError(f"proportions is {proportions!r}; it must be 'any' or 'crossed'")
    return Scene(
        source=sample_character(rng, size, float(source_chibi)),
        driving=sample_character(rng, size, float(driving_chibi)),
        motion=sample_motion(rng, num_frames),
        stance=sample_stance(rng),
    )
