"""Count what `mini` refuses: puppets of unseen seeds, other pictures, and empty ones.

    PYTHONPATH=. .venv/bin/python docs/benchmarks/model/subjects.py FOLDERS...
        [--blind] [--puppets N] [--first-seed N]

FOLDERS are searched for pictures; those that training could have seen are left out. With `--blind`
the folders were used neither for training nor for choosing a threshold: all are counted. Fails if
more than 1 in 500 puppets is refused, or more than 1 in 100 of the others is let through.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tcan_core.conditioning.puppet_detector import puppet_detector
from tcan_core.models.networks.pose_detector import Subject
from tcan_core.puppets.world import FIRST_TEST_SEED
from tcan_core.training.subject_pictures import (
    Picture,
    degrade,
    draw_nothing,
    draw_puppet,
    read_pictures,
)

SIZES = (64, 128, 64, 256)
EMPTY = 300
MAX_REFUSED, MAX_PASSED = 1 / 500, 1 / 100


def puppets(first_seed: int, count: int) -> Iterable[tuple[str, Picture]]:
    """Draw puppets of unseen seeds, in several sizes and shapes, as sources and in motion."""
    for index in range(count):
        seed = first_seed + index
        size = SIZES[index // 2 % len(SIZES)]
        margin = size // 4 * (index % 3 == 2)  # every third is 1.5 times as wide
        picture = np.pad(draw_puppet(seed, size), ((0, 0), (margin, margin), (0, 0)), mode="edge")
        yield f"seed {seed}", picture


def empty(seed: int, count: int) -> Iterable[tuple[str, Picture]]:
    """Draw pictures without anything."""
    rng = np.random.default_rng(seed)
    return ((f"empty {index}", degrade(draw_nothing(rng, 64), rng)) for index in range(count))


def judge(name: str, pictures: Iterable[tuple[str, Picture]]) -> dict[Subject, list[str]]:
    """Return the names of the pictures by what they are taken for, and print the numbers."""
    taken: dict[Subject, list[str]] = {subject: [] for subject in Subject}
    for label, picture in pictures:
        taken[puppet_detector().subjects(picture[None])[0]].append(label)
    counts = ", ".join(f"{len(taken[subject])} {subject.name.lower()}" for subject in Subject)
    print(f"{name}: {counts}", flush=True)
    return taken


def main() -> None:
    """Print a line for each kind, and the exceptions."""
    parser = argparse.ArgumentParser(description="Count what mini refuses.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--puppets", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=FIRST_TEST_SEED + 500_000)
    words = parser.parse_args()
    drawn = judge("puppets", puppets(words.first_seed, words.puppets))
    refused = [name for subject in Subject if subject for name in drawn[subject]]
    nothing = judge("empty", empty(words.first_seed, EMPTY))[Subject.PUPPET]
    parts = (True, False) if words.blind else (True,)
    named = (
        (str(path), picture)
        for held_out in parts
        for path, picture in read_pictures(words.folders, held_out=held_out)
    )
    others = judge("other pictures", named)
    passed = others[Subject.PUPPET]
    total = sum(map(len, others.values()))
    print("\n".join([*refused, *nothing, *passed]))
    if len(refused) > MAX_REFUSED * words.puppets or len(passed) > MAX_PASSED * total or nothing:
        sys.exit("over the limits")


if __name__ == "__main__":
    main()
