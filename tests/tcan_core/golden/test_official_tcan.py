"""Checkpoints of the official TCAN code give its features, residuals, latents and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
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

PRESET = """
extends: sd15-official
name: official
description: the official code's classes at small widths
resolution: 128
parts:
  vae: {config: {block_out_channels: [8, 16, 16, 16], layers_per_block: 1, norm_num_groups: 8}}
  text_encoder:
    config:
      vocab_size: 64
      hidden_size: 32
      intermediate_size: 64
      num_hidden_layers: 2
      num_attention_heads: 4
      projection_dim: 32
      bos_token_id: 62
      eos_token_id: 63
  denoising_unet:
    config: &unet {block_out_channels: [32, 32, 64, 64], cross_attention_dim: 32}
  reference_unet: {config: *unet}
  controlnet:
    config: {<<: *unet, conditioning_embedding_out_channels: [8, 8, 16, 16]}
  lora: {config: {rank: 4, alpha: 4}}
  motion_modules: {config: {block_out_channels: [32, 32, 64, 64]}}
"""
FRAMES, SEED, GUIDANCE, TAU = 16, 7, 7.5, 3.0
STEPS = AnimateSettings(seed=SEED, noise="independent", num_inference_steps=3)
PARTLY = [0, 5, 15]  # frames of the residuals with many pixels


def official_state(name: str) -> dict[str, Tensor]:
    """Read weights as the official code saves them, with the positions of its motion modules."""
    state = {key: value.float() for key, value in arrays(f"tcan/weights_{name}").items()}
    for key in [key for key in state if ".attention_blocks." in key and "to_q.weight" in key]:
        channels = state[key].shape[1]
        angles = torch.arange(32)[:, None] * torch.exp(
            -torch.arange(0, channels, 2) * np.log(10_000) / channels
        )
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        state[key.replace("to_q.weight", "pos_encoder.pe")] = table[None]
    return state


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preset]:
    folder = tmp_path_factory.mktemp("official")
    files = {
        "[UNet]_2.ckpt": "unet.safetensors",
        "[AppearanceEncoder]_2.ckpt": "appearance_encoder.safetensors",
        "[ControlNetT]_2.ckpt": "controlnet3d.safetensors",
        "vae.bin": "vae.safetensors",
        "text_encoder.bin": "text_encoder.safetensors",
    }
    for name, source in files.items():
        torch.save(official_state(source), folder / name)
    paths = tuple(str(folder / name) for name in files)
    with imported(folder, PRESET, [paths]) as preset:
        yield preset


@pytest.fixture(scope="module")
def pipeline(preset: Preset) -> AnimatePipeline:
    return AnimatePipeline.from_preset(str(Path(preset.folder) / "preset.yaml"))


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return arrays("tcan/g32_fp32bank.safetensors", "tcan/variants.safetensors")


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    return arrays("tcan/inputs.safetensors")


def maps_of(inputs: dict[str, Tensor], frames: int) -> Maps:
    drawn = inputs["pose_palette"][inputs["pose_index"][:frames].long()]
    return Maps(drawn.numpy())


class Step0:
    """The networks' inputs at the first step, with the reference read."""

    def __init__(self, pipeline: AnimatePipeline, golden: Any, inputs: Any, tau: float) -> None:
        self.tcan = pipeline.tcan
        maps = np.stack([maps_of(inputs, FRAMES).frame(n) for n in range(FRAMES)])
        self.temperature = torch.from_numpy(temperature_map(maps, tau))
        self.pose_maps = torch.from_numpy(maps).permute(3, 0, 1, 2)[None] / 255
        self.latents, self.timestep = inputs["noise"][:, :, :FRAMES], golden["timesteps"][:1]
        with torch.no_grad():
            self.tcan.read_reference(golden["ref_latents"], self.timestep)
        self.tcan.temperature.maps = self.temperature[None]

    def predict(self, guidance_scale: float) -> Tensor:
        inputs = (self.latents, self.timestep, self.pose_maps)
        return self.tcan.predict(*inputs, guidance_scale)[0]


def test_prompt_reference_and_temperature_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    source = inputs["source"].numpy()

    assert difference(pipeline.tcan.prompt[0], golden["text"]) < TOLERANCE
    assert difference(pipeline.encode(source), golden["ref_latents"]) < TOLERANCE
    temperature = Step0(pipeline, golden, inputs, TAU).temperature
    assert difference(temperature, golden["tau"]) < TOLERANCE


@torch.no_grad()
def test_features_residuals_and_halves_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    step = Step0(pipeline, golden, inputs, TAU)

    features = {name: value for name, value in golden.items() if name.startswith("step0.bank.")}
    assert len(features) == len(step.tcan.bank.features) == 10
    for name, value in features.items():
        own = step.tcan.bank.features[f"{name.removeprefix('step0.bank.')}.attn1.processor"][0]
        assert difference(own, value) < TOLERANCE, name
    residuals, mid = step.tcan.control(step.latents, step.timestep, step.pose_maps)
    assert mid is not None
    for number, own in [*enumerate(residuals), ("mid", mid)]:
        value = golden[f"step0.control.{number}"]
        chosen = own if len(value) == FRAMES else own[PARTLY]
        assert difference(chosen, value) < TOLERANCE, number
    unconditional, conditional = halves(step.predict)
    assert difference(unconditional, golden["step0.unet.uncond"]) < TOLERANCE
    assert difference(conditional, golden["step0.unet.cond"]) < TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        {"norm_grouping": "per_frame"},
        {"norm_grouping": "diffusers"},
        {"motion_norm_num_groups": 8},
        {"ptm_tau": 0.0},
        {"without": "lora"},
        {"without": "controlnet_motion_modules"},
        {"reference": "denoising_unet"},
    ],
    ids=str,
)
def test_halves_differ_with_one_wrong_switch(
    change: dict[str, Any], preset: Preset, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    parts, tau = dict(preset.parts), change.get("ptm_tau", TAU)
    if "motion_norm_num_groups" in change:
        motion = parts["motion_modules"]
        parts["motion_modules"] = replace(motion, config=motion.config | change)
    if "without" in change:
        name = change["without"]
        parts[name] = replace(parts[name], file="none.safetensors", absent="leave_out")
    if "reference" in change:
        file = str(preset.part_file(change["reference"]))
        parts["reference_unet"] = replace(parts["reference_unet"], file=file)
    grouping = change.get("norm_grouping", preset.norm_grouping)
    wrong = replace(preset, parts=parts, norm_grouping=grouping)

    step = Step0(AnimatePipeline(load_tcan(wrong), wrong), golden, inputs, tau)

    _, conditional = halves(step.predict)
    assert difference(conditional, golden["step0.unet.cond"]) > 10 * TOLERANCE


@pytest.mark.long
def test_motion_modules_keep_32_groups_beside_a_unet_of_8(
    preset: Preset, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    parts = dict(preset.parts)
    for name in ("denoising_unet", "reference_unet", "controlnet"):
        config = parts[name].config | {"norm_num_groups": 8}
        parts[name] = replace(parts[name], config=config)
    few_groups = replace(preset, parts=parts)

    step = Step0(AnimatePipeline(load_tcan(few_groups), few_groups), golden, inputs, TAU)

    with torch.no_grad():
        _, mid = step.tcan.control(step.latents, step.timestep, step.pose_maps)
    assert mid is not None
    official = golden["g8_fp32bank/step0.control.mid"][0].transpose(0, 1)
    assert difference(mid, official) < TOLERANCE
    unconditional, conditional = halves(step.predict)
    assert difference(unconditional, golden["g8_fp32bank/step0.unet.uncond"]) < TOLERANCE
    assert difference(conditional, golden["g8_fp32bank/step0.unet.cond"]) < TOLERANCE


@pytest.mark.long
def test_latents_and_frames_of_one_window_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    run = partial(denoised, pipeline, golden["ref_latents"], maps_of(inputs, FRAMES))

    latents = run(STEPS)
    frames = pipeline.tcan.codec.decode(latents[0, :, [0, 5, 10, 15]].transpose(0, 1))

    assert difference(latents, golden["latents.2"]) < TOLERANCE
    levels = ((frames + 1) * 127.5).transpose(0, 1)
    assert (levels - golden["video_u8"].float()).abs().max() < 0.6  # rounded there
    assert difference(run(replace(STEPS, ptm_tau=0.0)), golden["g32_notau/latents.2"]) < TOLERANCE


def denoised_32(pipeline: AnimatePipeline, golden: Any, inputs: Any) -> Tensor:
    return denoised(pipeline, golden["ref_latents"], maps_of(inputs, 32), STEPS)


@pytest.mark.long
def test_latents_of_two_blocks_are_official(
    pipeline: AnimatePipeline, golden: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    latents = denoised_32(pipeline, golden, inputs)

    assert difference(latents, golden["g32_32f_cn3/latents.2"]) < TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        {"spacing": "trailing"},
        {"windows": "shift"},
        {"fusion": "pyramid"},
        {"controlnet": "window"},
    ],
    ids=str,
)
def test_latents_differ_with_one_wrong_switch(
    change: dict[str, Any],
    pipeline: AnimatePipeline,
    golden: dict[str, Tensor],
    inputs: dict[str, Tensor],
) -> None:
    latents = denoised_32(with_sampling(pipeline, **change), golden, inputs)

    assert difference(latents, golden["g32_32f_cn3/latents.2"]) > 3 * TOLERANCE


def test_preset_sets_the_official_sampler(pipeline: AnimatePipeline) -> None:
    sampling = pipeline.preset.sampling

    assert sampling.noise == "tiled"
    assert AnimateSettings().windows(32, pipeline.preset)[-1] == [*range(24, 32), *range(8)]
