"""Moore-AnimateAnyone's files give its guider, features, halves, latents and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.preset_sections import ReferenceUse, ScheduleSettings
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.sampling.schedulers import NoiseSchedule, build_scheduler
from tests.tcan_core.golden.animate_anyone import (
    imported_preset,
    official_noise,
    pose_maps,
    predictor,
    run,
    set_inputs,
)
from tests.tcan_core.golden.family import images, noise_of
from tests.tcan_core.golden.official import TOLERANCE, arrays, difference, halves, with_sampling

pytestmark = pytest.mark.long

FRAMES = 40


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preset]:
    with imported_preset("moore", tmp_path_factory.mktemp("moore"), 32) as preset:
        yield preset


@pytest.fixture(scope="module")
def pipeline(preset: Preset) -> AnimatePipeline:
    return AnimatePipeline.from_preset(str(Path(preset.folder) / "preset.yaml"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("family/moore.safetensors")


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = noise_of(official_noise(FRAMES))
    monkeypatch.setattr("tcan_core.pipelines.animate.initial_noise", draw)


@torch.no_grad()
def test_guider_features_and_halves_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    tcan = pipeline.tcan
    assert tcan.pose_guider is not None
    guided = tcan.pose_guider(pose_maps()[0].transpose(0, 1)).transpose(0, 1)
    assert difference(guided[None], golden["pose_guider"]) < TOLERANCE
    set_inputs(pipeline)
    features = {name: value for name, value in golden.items() if name.startswith("bank/")}
    assert len(features) == len(tcan.bank.features) == 16
    for name, value in features.items():
        own = tcan.bank.features[f"{name.removeprefix('bank/')}.attn1.processor"]
        assert difference(own, value) < TOLERANCE, name
    unconditional, conditional = halves(predictor(pipeline))
    assert difference(unconditional, golden["unet/unconditional"]) < TOLERANCE
    assert difference(conditional, golden["unet/conditional"]) < TOLERANCE


def test_unconditional_half_differs_with_the_embedding_as_its_text(
    pipeline: AnimatePipeline, golden: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.tcan, "image_encoder", None)  # as with a prompt

    unconditional, conditional = halves(predictor(pipeline))

    assert difference(unconditional, golden["unet/unconditional"]) > 10 * TOLERANCE
    assert difference(conditional, golden["unet/conditional"]) < TOLERANCE


def test_embedding_and_noise_levels_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    pipeline.read_image(images("in/source", (64, 64, 3)))
    schedule = NoiseSchedule(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    scheduler = build_scheduler("DDIMScheduler", 3, schedule)

    assert difference(pipeline.tcan.prompt[0], golden["pipeline/clip_embedding"]) < TOLERANCE
    assert difference(scheduler.alphas_cumprod, golden["pipeline/alphas_cumprod"]) < 1e-5
    assert scheduler.timesteps.tolist() == [999, 666, 332]


@torch.no_grad()
def test_serial_guidance_gives_the_same_prediction(
    preset: Preset, pipeline: AnimatePipeline
) -> None:
    together = predictor(pipeline)(3.5)
    pipeline.tcan.serial_guidance = True
    in_turn = predictor(pipeline)(3.5)
    pipeline.tcan.serial_guidance = False

    torch.testing.assert_close(in_turn, together, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"norm_grouping": "official"},
        {"reference": ReferenceUse("mid_up", "zero")},
    ],
    ids=str,
)
def test_halves_differ_with_one_wrong_switch(
    change: dict[str, Any], preset: Preset, golden: dict[str, Tensor]
) -> None:
    wrong = replace(preset, **change)

    _, conditional = halves(predictor(AnimatePipeline(load_tcan(wrong), wrong)))

    assert difference(conditional, golden["unet/conditional"]) > 10 * TOLERANCE


@pytest.mark.usefixtures("noise")
def test_latents_and_frames_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    latents = run(pipeline, FRAMES)
    frames = pipeline.tcan.codec.decode(latents[0, :, ::8].transpose(0, 1)) / 2 + 0.5

    assert difference(latents, golden["pipeline/latents.2"]) < TOLERANCE
    assert difference(frames.transpose(0, 1), golden["pipeline/frames"][0]) < TOLERANCE


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize(
    "change",
    [
        {"sampling": {"windows": "shift"}},
        {"sampling": {"fusion": "pyramid"}},
        {"sampling": {"scheduler": "ddim"}},
        {"sampling": {"spacing": "leading"}},
        {"schedule": ScheduleSettings("scaled_linear", zero_terminal_snr=True)},
        {"schedule": ScheduleSettings("linear", zero_terminal_snr=False)},
        {"reference": ReferenceUse("all", "each")},
    ],
    ids=str,
)
def test_latents_differ_with_one_wrong_switch(
    change: dict[str, Any],
    preset: Preset,
    pipeline: AnimatePipeline,
    golden: dict[str, Tensor],
) -> None:
    if "sampling" in change:
        wrong = with_sampling(pipeline, **change["sampling"])
    else:
        changed = replace(preset, **change)
        wrong = AnimatePipeline(load_tcan(changed), changed, options=RuntimeOptions())

    latents = run(wrong, FRAMES)

    assert difference(latents, golden["pipeline/latents.2"]) > 2 * TOLERANCE
