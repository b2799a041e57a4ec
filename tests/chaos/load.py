"""What callers ask for, and how often: a little more than two workers can do, so that jobs always
wait, and the drain does not take long."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests import samples

# Three windows a step.
PUPPET_FRAMES, PUPPET_SIDE = 40, 64


class Load(NamedTuple):
    """What every job is made of, and how many are made.

    Attributes:
        steps: the fewest and the most.
        most_waiting: while so many jobs wait, none is made.
    """

    image: Path
    driving: Path
    jobs_per_s: float
    steps: tuple[int, int]
    most_waiting: int | None = None


def pictures(folder: Path) -> Load:
    """For workers that paint."""
    image, driving = folder / "image.png", folder / "driving.mp4"
    image.write_bytes(samples.png())
    return Load(image, samples.write_video(driving, frames=4), 0.5, (10, 30))


def puppets(folder: Path) -> Load:
    """For workers of the shipped model, whose speed is the machine's."""
    pair = folder / "pair"
    pair.mkdir()
    render_pair(pair, FIRST_TEST_SEED + 702, PUPPET_FRAMES, PUPPET_SIDE)
    return Load(pair / "source.png", pair / "driving.mp4", 0.5, (10, 20), most_waiting=4)
