"""Draw the example puppets and driving videos of the studio, and list them in `examples.json`.

python -m tools.make_examples service/studio/examples
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from media.image import write_png
from media.video_writer import VideoWriter
from tcan_core.puppets.motion import FPS, sample_motion, sample_stance
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_character

SIZE = 256
FRAMES = 24


@dataclass(frozen=True)
class Example:
    """An example puppet.

    Attributes:
        name: stem of its file.
        title: description for people.
        seed: of the puppet, counted from the first that is not for training.
        chibi: 0 (tall) .. 1 (large head, short limbs).
        motion: the motion of a driving video; empty for a picture.
    """

    name: str
    title: str
    seed: int
    chibi: float
    motion: str = ""


PICTURES = (
    Example("tall", "Tall puppet in a blue skirt", 10, 0.05),
    Example("medium", "Puppet with a bun", 4, 0.4),
    Example("small", "Small puppet with a cap", 7, 0.9),
)
VIDEOS = (
    Example("dance", "Dance", 9, 0.3, "dance"),
    Example("jacks", "Jumping jacks", 12, 0.1, "jacks"),
)


def main() -> None:
    """Write the files into the folder of the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    listed = {
        "pictures": [_entry(each, draw_picture(folder, each)) for each in PICTURES],
        "videos": [_entry(each, draw_video(folder, each)) for each in VIDEOS],
    }
    (folder / "examples.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


def draw_picture(folder: Path, example: Example) -> Path:
    """Write the picture of a puppet that stands, and return its path."""
    rng = np.random.default_rng(FIRST_TEST_SEED + example.seed)
    character = sample_character(rng, SIZE, example.chibi)
    file = folder / f"{example.name}.png"
    write_png(file, character.draw(character.poses(sample_stance(rng))[0])[0])
    return file


def draw_video(folder: Path, example: Example) -> Path:
    """Write the video of a puppet that moves, and return its path."""
    rng = np.random.default_rng(FIRST_TEST_SEED + example.seed)
    character = sample_character(rng, SIZE, example.chibi)
    poses = character.poses(sample_motion(rng, FRAMES, example.motion))
    file = folder / f"{example.name}.mp4"
    with VideoWriter(file, Fraction(FPS), (SIZE, SIZE)) as writer:
        for frame in character.frames(poses):
            writer.write(frame)
    return file


def _entry(example: Example, file: Path) -> dict[str, str]:
    return {"name": example.name, "title": example.title, "file": file.name}


if __name__ == "__main__":
    main()
