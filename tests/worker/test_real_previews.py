"""Previews of the shipped model: each comes closer to what the job ends with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.contract.job import Output
from service.contract.limits import InputLimits
from service.contract.params import JobParams
from tcan_core.media.video import read_video
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from worker.animator import TcanAnimator
from worker.previews import PreviewWriter

FRAMES, WIDTH, HEIGHT = 8, 80, 64


def read_webp(file: Path) -> NDArray[np.float64]:
    """The picture in a WebP file, which must be one."""
    with Image.open(file) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def widen(file: Path) -> None:
    """Make the picture wider than high, so that a preview in the model's own size would show."""
    with Image.open(file) as image:
        wide = Image.new("RGB", (WIDTH, HEIGHT), image.convert("RGB").getpixel((0, 0)))
        wide.paste(image, ((WIDTH - image.width) // 2, 0))
    wide.save(file)


def test_previews_have_the_pictures_size_and_come_closer_to_the_end(tmp_path: Path) -> None:
    pair = tmp_path / "pair"
    render_pair(pair, FIRST_TEST_SEED + 510, FRAMES, HEIGHT)
    widen(pair / "source.png")
    animator = TcanAnimator("mini", "cpu", InputLimits())
    animator.load()
    files: list[Path] = []
    writer = PreviewWriter(lambda step: None, files.append, tmp_path)
    prepared = tmp_path / "prepared.zip"
    image = pair / "source.png"
    params = JobParams(seed=1, num_inference_steps=12)
    driving = pair / "driving.mp4"
    animator.prepare(image, driving, prepared, params, lambda step: None, lambda: False)
    rendering = animator.render(
        image,
        prepared,
        tmp_path,
        params,
        writer,
        lambda: False,
    )
    frames = np.stack(list(read_video(rendering.outputs[Output.RESULT]))).astype(np.float64)
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert len(files) >= 4
    # A preview shows the middle frame.
    end = frames[FRAMES // 2]
    off = [float(np.mean((read_webp(file) - end) ** 2)) for file in files]
    assert all(read_webp(file).shape == end.shape for file in files)
    assert off == sorted(off, reverse=True)
    assert off[-1] < off[0] / 2
