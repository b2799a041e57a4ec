"""Previews of the shipped model: each comes closer to what the job ends with."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media.video_reader import read_video
from service.contract.job import Output
from service.contract.params import JobParams
from service.input_limits import InputLimits
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests.servers import wait_until
from worker.animator import TcanAnimator
from worker.outputs.previews import PreviewWriter

FRAMES, WIDTH, HEIGHT = 8, 80, 64
STEPS, PREVIEWED = 12, [1, 3, 5, 7, 9, 11]


def read_webp(packed: bytes) -> NDArray[np.float64]:
    """Decode an image, which must be a WebP."""
    with Image.open(BytesIO(packed)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def widen(file: Path) -> None:
    """Make the image wider than high, so that a preview in the model's own size would show."""
    with Image.open(file) as image:
        wide = Image.new("RGB", (WIDTH, HEIGHT), image.convert("RGB").getpixel((0, 0)))
        wide.paste(image, ((WIDTH - image.width) // 2, 0))
    wide.save(file)


@pytest.mark.long
def test_previews_have_the_size_of_the_image_and_approach_the_result(tmp_path: Path) -> None:
    pair = tmp_path / "pair"
    render_pair(pair, FIRST_TEST_SEED + 510, FRAMES, HEIGHT)
    widen(pair / "source.png")
    animator = TcanAnimator("mini", "cpu", InputLimits())
    animator.load()
    found: dict[int, bytes] = {}
    prepared = tmp_path / "prepared.zip"
    image = pair / "source.png"
    params = JobParams(seed=1, num_inference_steps=STEPS)
    driving = pair / "driving.mp4"
    animator.prepare(image, driving, prepared, params, lambda step: None, lambda: False)
    with PreviewWriter(lambda step: None, found.__setitem__) as writer:

        def report(now: AnimateProgress) -> None:
            writer(now)
            if now.stage == "denoise" and now.step in PREVIEWED:
                wait_until(lambda: now.step in found, "the preview is published")

        rendering = animator.render(image, prepared, tmp_path, params, report, lambda: False)
    assert list(found) == PREVIEWED
    frames = np.stack(list(read_video(rendering.outputs[Output.RESULT]))).astype(np.float64)
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    # A preview shows the middle frame.
    end = frames[FRAMES // 2]
    previews = [read_webp(packed) for packed in list(found.values())]
    off = [float(np.mean((preview - end) ** 2)) for preview in previews]
    assert all(preview.shape == end.shape for preview in previews)
    assert off == sorted(off, reverse=True)
    assert off[-1] < off[0] / 2
