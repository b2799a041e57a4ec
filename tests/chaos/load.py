"""The load of a run: slightly more than two workers can process, so that some jobs queue up."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests import samples

# Three context windows per step.
PUPPET_FRAMES, PUPPET_SIDE = 40, 64


class Load(NamedTuple):
    """Inputs of every job and the rate of submits.

    Attributes:
        steps: smallest and largest number of steps.
        most_waiting: no submits while this many jobs are queued.
    """

    image: Path
    driving: Path
    jobs_per_s: float
    steps: tuple[int, int]
    most_waiting: int | None = None


def pictures(folder: Path) -> Load:
    """Return the load for workers that paint."""
    image, driving = folder / "image.png", folder / "driving.mp4"
    image.write_bytes(samples.png())
    return Load(image, samples.write_video(driving, frames=4), 0.5, (10, 30))


def puppets(folder: Path) -> Load:
    """Return the load for workers of the shipped model."""
    pair = folder / "pair"
    pair.mkdir()
    render_pair(pair, FIRST_TEST_SEED + 702, PUPPET_FRAMES, PUPPET_SIDE)
    return Load(pair / "source.png", pair / "driving.mp4", 0.5, (10, 20), most_waiting=4)
