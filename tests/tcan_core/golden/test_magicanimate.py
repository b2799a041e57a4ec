"""MagicAnimate's files give its residuals, features, halves, latents and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tcan_core.errors import ParameterError
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tests.tcan_core.golden.family import (
    MAGICANIMATE,
    by_rule,
    images,
    noise_of,
    weights,
    with_positions,
)
from tests.tcan_core.golden.official import (
    TOLERANCE,
    Maps,
    arrays,
    denoised,
    difference,
    halves,
    imported,
    with_sampling,
)

pytestmark = pytest.mark.long

STEPS = AnimateSettings(num_inference_steps=3)
TIMESTEP = torch.tensor([601])


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preset]:
    folder = tmp_path_factory.mktemp("magicanimate")
    unet = with_positions(weights("magicanimate", "unet"), 24)
    wrapped = {f"module.unet.{key}": value for key, value in unet.items()}
    torch.save({"state_dict": wrapped}, folder / "temporal_attention.ckpt")
    paths = [str(folder / "temporal_attention.ckpt")]
    for part in ("appearance_encoder", "controlnet", "vae", "text_encoder"):
        path = folder / f"{part}.safetensors"
        save_file(weights("magicanimate", part), path)
        paths.append(str(path))
    with imported(folder, MAGICANIMATE, [tuple(paths)]) as preset:
        yield preset


@pytest.fixture(scope="module")
def pipeline(preset: Preset) -> AnimatePipeline:
    return AnimatePipeline.from_preset(str(Path(preset.folder) / "preset.yaml"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("family/magicanimate.safetensors")


def predictor(pipeline: AnimatePipeline) -> Any:
    """Return the prediction by guidance scale, with the reference read."""
    latents = 1.7 * by_rule("in/latents", (1, 4, 6, 8, 8))
    maps = (by_rule("in/maps", (6, 3, 64, 64)) + 1) / 2
    pose_maps = maps.transpose(0, 1)[None]
    reference = 1.7 * by_rule("in/reference", (1, 4, 8, 8))
    tcan = pipeline.tcan
    with torch.no_grad():
        tcan.read_reference(reference, TIMESTEP)
    return lambda scale: tcan.predict(latents, TIMESTEP, pose_maps, scale)


@torch.no_grad()
def test_features_residuals_and_halves_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    tcan = pipeline.tcan
    predict = predictor(pipeline)
    assert difference(tcan.prompt, golden["prompt"]) < TOLERANCE
    features = {name: value for name, value in golden.items() if name.startswith("bank/")}
    assert len(features) == len(tcan.bank.features) == 10
    for name, value in features.items():
        own = tcan.bank.features[f"{name.removeprefix('bank/')}.attn1.processor"]
        assert difference(own, value) < TOLERANCE, name
    latents = 1.7 * by_rule("in/latents", (1, 4, 6, 8, 8))
    maps = ((by_rule("in/maps", (6, 3, 64, 64)) + 1) / 2).transpose(0, 1)[None]
    residuals, mid = tcan.control(latents, TIMESTEP, maps)
    assert mid is not None and difference(mid, golden["controlnet/mid"]) < TOLERANCE
    for number, own in enumerate(residuals):
        assert difference(own, golden[f"controlnet/down.{number}"]) < TOLERANCE
    unconditional, conditional = halves(predict)
    assert difference(unconditional, golden["unet/unconditional"]) < TOLERANCE
    assert difference(conditional, golden["unet/conditional"]) < TOLERANCE


@pytest.mark.parametrize("grouping", ["per_frame", "diffusers"])
def test_halves_differ_with_another_norm_grouping(
    grouping: Any, preset: Preset, golden: dict[str, Tensor]
) -> None:
    wrong = replace(preset, norm_grouping=grouping)

    _, conditional = halves(predictor(AnimatePipeline(load_tcan(wrong), wrong)))

    assert difference(conditional, golden["unet/conditional"]) > 100 * TOLERANCE


def run(pipeline: AnimatePipeline, frames: int = 32) -> Tensor:
    """Denoise the official inputs in three steps."""
    reference = pipeline.encode(images("in/source", (64, 64, 3)))
    control = images("in/control", (32, 64, 64, 3))[:frames]
    return denoised(pipeline, reference, Maps(control), STEPS)


@pytest.fixture
def official_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    tile = 1.7 * by_rule("in/noise", (1, 4, 16, 8, 8))
    monkeypatch.setattr("tcan_core.pipelines.animate.initial_noise", noise_of(tile))


@pytest.mark.usefixtures("official_noise")
def test_latents_and_frames_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    source = images("in/source", (64, 64, 3))
    assert difference(pipeline.encode(source), golden["pipeline/reference_latents"]) < TOLERANCE

    latents = run(pipeline)
    frames = pipeline.tcan.codec.decode(latents[0].transpose(0, 1)) / 2 + 0.5

    assert difference(latents, golden["pipeline/latents.2"]) < TOLERANCE
    assert difference(frames.transpose(0, 1), golden["pipeline/frames"][0]) < TOLERANCE


@pytest.mark.usefixtures("official_noise")
@pytest.mark.parametrize(
    "change",
    [
        {"spacing": "trailing"},
        {"windows": "shift"},
        {"fusion": "pyramid"},
        {"noise": "independent"},
    ],
    ids=str,
)
def test_latents_differ_with_one_wrong_switch(
    change: dict[str, Any], pipeline: AnimatePipeline, golden: dict[str, Tensor]
) -> None:
    latents = run(with_sampling(pipeline, **change))

    assert difference(latents, golden["pipeline/latents.2"]) > 10 * TOLERANCE


@pytest.mark.usefixtures("official_noise")
def test_a_short_video_is_padded_to_a_tile(pipeline: AnimatePipeline) -> None:
    settings = replace(STEPS, num_inference_steps=1)
    reference = pipeline.encode(images("in/source", (64, 64, 3)))
    control = images("in/control", (32, 64, 64, 3))[:6]
    padded = control[[0, 1, 2, 3, 4, *[5] * 11]]

    latents = denoised(pipeline, reference, Maps(control), settings)

    assert latents.shape[2] == 6
    expected = denoised(pipeline, reference, Maps(padded), settings)
    assert torch.equal(latents, expected[:, :, :6])


def test_a_temperature_is_refused_for_maps(pipeline: AnimatePipeline) -> None:
    assert AnimateSettings().temperature(pipeline.preset) == 0
    with pytest.raises(ParameterError, match=r"ptm_tau is 2; it must be 0 for small, whose maps"):
        AnimateSettings(ptm_tau=2).temperature(pipeline.preset)
