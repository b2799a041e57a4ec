"""MusePose's files give its noise levels, latents and frames, by Moore's networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.sampling.schedulers import NoiseSchedule, build_scheduler
from tests.tcan_core.golden.animate_anyone import (
    imported_preset,
    official_noise,
    predictor,
    run,
)
from tests.tcan_core.golden.family import noise_of
from tests.tcan_core.golden.official import TOLERANCE, arrays, difference, halves, with_sampling

pytestmark = pytest.mark.long

FRAMES = 44


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnimatePipeline]:
    with imported_preset("musepose", tmp_path_factory.mktemp("musepose"), 128) as preset:
        yield AnimatePipeline.from_preset(str(Path(preset.folder) / "preset.yaml"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("family/musepose.safetensors")


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = noise_of(official_noise(FRAMES))
    monkeypatch.setattr("tcan_core.pipelines.animate.initial_noise", draw)


def test_halves_and_noise_levels_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    schedule = NoiseSchedule(
        beta_schedule="scaled_linear", prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    scheduler = build_scheduler("DDIMScheduler", 3, schedule)
    assert difference(scheduler.alphas_cumprod, golden["pipeline/alphas_cumprod"]) < 1e-5
    unconditional, conditional = halves(predictor(pipeline))
    assert difference(unconditional, golden["unet/unconditional"]) < TOLERANCE
    assert difference(conditional, golden["unet/conditional"]) < TOLERANCE


@pytest.mark.usefixtures("noise")
def test_latents_and_frames_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    latents = run(pipeline, FRAMES)
    frames = pipeline.tcan.codec.decode(latents[0, :, ::8].transpose(0, 1)) / 2 + 0.5

    assert difference(latents, golden["pipeline/latents.2"]) < TOLERANCE
    assert difference(frames.transpose(0, 1), golden["pipeline/frames"][0]) < TOLERANCE


@pytest.mark.usefixtures("noise")
def test_latents_differ_with_wrapped_windows(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    latents = run(with_sampling(pipeline, windows="wrap"), FRAMES)

    assert difference(latents, golden["pipeline/latents.2"]) > 2 * TOLERANCE
