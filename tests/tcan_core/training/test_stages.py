"""Stages 1 and 2: trained and frozen weights, data and starting points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.networks.lora import load_lora, merge_lora
from tcan_core.models.networks.motion import motion_state
from tcan_core.models.weights.loading import load_tcan, unload_merged
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.training.samples import draw_samples, move_dropped_to_front
from tests.tcan_core.tiny_weights import TINY
from tests.tcan_core.training.conftest import TinyRuns


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, Tensor]) -> set[str]:
    after = network.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def loss_of(stage: Any, seed: int = 0) -> float:
    with torch.no_grad():
        loss, _ = stage.loss(
            stage.drawing.draw(draw_samples(seed, 0, range(stage.config.run.batch_size)))
        )
    return float(loss)


def test_stage_1_changes_the_reference_unet_and_the_lora(runs: TinyRuns) -> None:
    stage = runs.stage("stage1")
    networks = (stage.tcan.codec, stage.tcan.controlnet, stage.tcan.denoising_unet)
    before = [snapshot(network) for network in networks]
    reference = snapshot(stage.tcan.reference_unet)

    runs.go_on(stage)

    codec, controlnet, unet = (changed(*pair) for pair in zip(networks, before, strict=True))
    assert codec == controlnet == set()
    lora = {name for name in before[2] if "lora_" in name}
    assert unet <= lora
    # A prompt of one token, as small presets have, leaves cross-attention nothing to choose from.
    assert {name for name in lora if "attn1" in name or "to_v" in name} <= unet
    learned = changed(stage.tcan.reference_unet, reference)
    assert "conv_in.weight" in learned and len(learned) > 0.8 * len(reference)


def test_stage_2_changes_only_motion_modules(runs: TinyRuns) -> None:
    stage = runs.stage("stage2")
    tcan = stage.tcan
    networks = (tcan.codec, tcan.reference_unet, tcan.denoising_unet, tcan.controlnet)
    before = [snapshot(network) for network in networks]

    runs.go_on(stage)

    codec, reference, unet, controlnet = (
        changed(*pair) for pair in zip(networks, before, strict=True)
    )
    assert codec == reference == set()
    for learned, state in ((unet, before[2]), (controlnet, before[3])):
        motion = {name for name in state if "motion_modules." in name}
        assert learned <= motion
        assert {name for name in motion if "proj_out" in name} <= learned


@pytest.mark.parametrize("name", ["stage1", "stage2"])
def test_the_frozen_controlnet_receives_the_pose_maps(runs: TinyRuns, name: str) -> None:
    stage = runs.stage(name)
    seen = []
    hook = stage.tcan.controlnet.controlnet_cond_embedding.register_forward_pre_hook(
        lambda module, arguments: seen.append(arguments[0])
    )
    true = loss_of(stage)
    hook.remove()

    samples, _ = move_dropped_to_front(draw_samples(0, 0, range(4)), stage.config.reference_dropout)
    batch = stage.data.sample(samples)
    assert torch.equal(seen[0], batch.pose_maps.transpose(1, 2).flatten(0, 1))
    assert 0.01 < float(seen[0].mean()) < 0.5 and float(seen[0].max()) > 0.9
    stage.tcan.controlnet.controlnet_cond_embedding.register_forward_pre_hook(
        lambda module, arguments: (torch.ones_like(arguments[0]),)
    )
    assert abs(loss_of(stage) - true) > 1e-5


@pytest.mark.parametrize("name", ["stage1", "stage2"])
def test_the_prediction_depends_on_the_reference(runs: TinyRuns, name: str) -> None:
    stage = runs.stage(name, reference_dropout=0.0)
    true = loss_of(stage)
    stage.tcan.reference_unet.conv_in.register_forward_pre_hook(
        lambda module, arguments: (arguments[0].flip(0) + 1,)
    )

    assert abs(loss_of(stage) - true) > 1e-5


@pytest.mark.parametrize(
    ("name", "frames"), [("stage1", 1), pytest.param("stage2", 6, marks=pytest.mark.long)]
)
def test_references_are_dropped_at_the_configured_rate(
    runs: TinyRuns, name: str, frames: int
) -> None:
    stage = runs.stage(name, reference_dropout=0.25, batch_size=4)
    plain = []
    for seed in range(60):
        loss_of(stage, seed)
        plain.append(stage.tcan.bank.uncond_rows)

    assert all(rows % frames == 0 for rows in plain)
    assert sum(plain) / (60 * 4 * frames) == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("name", ["stage1", "stage2"])
def test_a_batch_may_lose_all_its_references(runs: TinyRuns, name: str) -> None:
    stage = runs.stage(name, reference_dropout=1.0)
    assert loss_of(stage) > 0
    assert stage.tcan.bank.features == {}

    runs.go_on(stage)


def test_without_dropout_every_row_has_its_reference(runs: TinyRuns) -> None:
    stage = runs.stage("stage1", reference_dropout=0.0)
    loss_of(stage)

    assert stage.tcan.bank.uncond_rows == 0
    assert {len(features) for features in stage.tcan.bank.features.values()} == {4}


@pytest.mark.parametrize("name", ["stage1", "stage2"])
def test_the_loss_depends_only_on_the_samples(runs: TinyRuns, name: str) -> None:
    stage = runs.stage(name)

    assert loss_of(stage, 1) == loss_of(stage, 1) != loss_of(stage, 2)


def test_stage_2_starts_from_the_output_of_stage_1(runs: TinyRuns, tiny: Preset) -> None:
    stage = runs.stage("stage2", reference_dropout=0.0)
    still = load_tcan(tiny, runs.parts, motion=False)
    batch = stage.data.sample(draw_samples(0, 0, range(2)))
    timestep = torch.tensor([300, 700])

    predictions = []
    with torch.no_grad():
        for tcan in (stage.tcan, still):
            tcan.read_reference(batch.sources, timestep)
            predictions.append(tcan.predict(batch.latents, timestep, batch.pose_maps))

    torch.testing.assert_close(*predictions, rtol=1e-4, atol=1e-5)


@pytest.mark.long
def test_motion_can_start_from_other_modules(runs: TinyRuns, weights: Path) -> None:
    """Start from both parts, or only from a UNet's as AnimateDiff publishes them."""
    for part in ("motion_modules", "controlnet_motion_modules"):
        stage = runs.stage("stage2", initial_motion=str(weights))
        state = load_file(weights / f"{part}.safetensors")
        network = stage.trained["denoising_unet" if part == "motion_modules" else "controlnet"]
        assert not {
            name for name in state if not torch.equal(state[name], network.state_dict()[name])
        }

    alone = runs.root / "animatediff"
    alone.mkdir()
    (alone / "motion_modules.safetensors").write_bytes(
        (weights / "motion_modules.safetensors").read_bytes()
    )
    stage = runs.stage("stage2", initial_motion=str(alone))
    state = load_file(weights / "motion_modules.safetensors")
    name = "down_blocks.1.motion_modules.0.proj_out.weight"
    assert torch.equal(stage.tcan.controlnet.state_dict()[name], state[name])


def test_initial_motion_without_a_counterpart_is_ignored(
    runs: TinyRuns, weights: Path, tmp_path: Path
) -> None:
    """AnimateDiff has motion modules in the mid block, `sd15-official` has none there."""
    changes = {
        "motion_modules": {"config": {"use_motion_mid_block": False}},
        "controlnet_motion_modules": {"config": {"down_blocks": [1], "mid_block": False}},
    }
    path = tmp_path / "partial.yaml"
    path.write_text(yaml.safe_dump({"extends": str(TINY), "name": "partial", "parts": changes}))
    alone = tmp_path / "animatediff"
    alone.mkdir()
    weights_file = load_file(weights / "motion_modules.safetensors")
    save_file(weights_file, alone / "motion_modules.safetensors")

    stage = runs.stage("stage2", preset=str(path), initial_motion=str(alone))

    for network, blocks in (
        (
            stage.tcan.denoising_unet,
            {"down_blocks.0", "down_blocks.1", "up_blocks.0", "up_blocks.1"},
        ),
        (stage.tcan.controlnet, {"down_blocks.1"}),
    ):
        state = motion_state(network)
        assert {".".join(name.split(".")[:2]) for name in state} == blocks
        assert all(torch.equal(value, weights_file[name]) for name, value in state.items())

    del weights_file["down_blocks.1.motion_modules.0.proj_out.weight"]
    save_file(weights_file, alone / "motion_modules.safetensors")
    with pytest.raises(WeightsError, match="1 missing"):
        runs.stage("stage2", preset=str(path), initial_motion=str(alone))


def test_the_reference_unet_starts_from_the_denoising_unet_or_a_folder(
    runs: TinyRuns, weights: Path
) -> None:
    for part, changes in (
        ("denoising_unet", {}),
        ("reference_unet", {"initial_reference": str(weights)}),
    ):
        stage = runs.stage("stage1", **changes)
        state = load_file(weights / f"{part}.safetensors")
        assert torch.equal(stage.tcan.reference_unet.conv_in.weight, state["conv_in.weight"])


@pytest.mark.long
def test_merged_loras_are_used_in_training_and_inference(runs: TinyRuns, tmp_path: Path) -> None:
    """Merged LoRAs are applied once: stage 1 exports weights without them."""
    module = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    torch.manual_seed(1)
    sizes: dict[str, tuple[int, ...]]
    sizes = {f"{module}.lora_A.weight": (2, 8), f"{module}.lora_B.weight": (8, 2)}
    sizes |= {"conv_in.lora_A.weight": (2, 4, 3, 3), "conv_in.lora_B.weight": (8, 2, 1, 1)}
    save_file({key: torch.randn(size) for key, size in sizes.items()}, tmp_path / "s.safetensors")
    stacked = {"file": "s.safetensors", "into": ["denoising_unet", "reference_unet"]}
    path = tmp_path / "styled.yaml"
    path.write_text(
        yaml.safe_dump({"extends": str(TINY), "name": "styled", "loras": {"style": stacked}})
    )
    for part in ("reference_unet", "lora"):
        (runs.parts / f"{part}.safetensors").unlink()

    stage1 = runs.stage("stage1", preset=str(path), ema_decay=0.0)
    base = load_file(runs.parts / "denoising_unet.safetensors")["conv_in.weight"]
    assert not torch.allclose(stage1.tcan.denoising_unet.conv_in.weight, base, atol=0.1)
    runs.go_on(stage1)
    stage2 = runs.stage("stage2", preset=str(path))
    tcan = load_tcan(load_preset(str(path)), runs.parts, motion=False)

    load_lora(stage1.tcan.denoising_unet, load_file(runs.parts / "lora.safetensors"))
    merge_lora(stage1.tcan.denoising_unet)
    unload_merged(stage1.tcan.denoising_unet)
    for learned, *loaded in (
        (stage1.tcan.denoising_unet, tcan.denoising_unet),
        (stage1.tcan.reference_unet, tcan.reference_unet, stage2.tcan.reference_unet),
    ):
        for network in loaded:
            for name, value in network.state_dict().items():
                torch.testing.assert_close(value, learned.state_dict()[name], atol=1e-5, rtol=1e-5)


def test_stage1_can_start_from_a_lora(runs: TinyRuns, weights: Path) -> None:
    weights_file = load_file(weights / "lora.safetensors")

    stage = runs.stage("stage1", initial_lora=str(weights))

    stage.export(runs.root / "begun")
    begun = load_file(runs.root / "begun" / "lora.safetensors")
    assert begun.keys() == weights_file.keys()
    assert all(torch.equal(begun[name], weights_file[name]) for name in weights_file)


@pytest.mark.long
def test_exported_parts_load_as_a_model(runs: TinyRuns, tiny: Preset) -> None:
    for part in ("reference_unet", "lora", "motion_modules", "controlnet_motion_modules"):
        (runs.parts / f"{part}.safetensors").unlink()

    stage1, stage2 = runs.stage("stage1", ema_decay=0.0), None
    runs.go_on(stage1)
    stage2 = runs.stage("stage2", ema_decay=0.0)
    runs.go_on(stage2)
    tcan = load_tcan(tiny, runs.parts)

    load_lora(stage1.tcan.denoising_unet, load_file(runs.parts / "lora.safetensors"))
    assert stage2.tcan.controlnet is not None and tcan.controlnet is not None
    for mine, loaded in (
        (stage1.tcan.reference_unet, tcan.reference_unet),
        (stage2.tcan.denoising_unet, tcan.denoising_unet),
        (stage2.tcan.controlnet, tcan.controlnet),
    ):
        assert not changed(loaded, snapshot(mine))


@pytest.mark.long
@pytest.mark.parametrize("name", ["prior", "stage1", "stage2"])
def test_gradient_checkpointing_changes_no_gradient(runs: TinyRuns, name: str) -> None:
    gradients = []
    for recompute in (False, True):
        stage = runs.stage(name, gradient_checkpointing=recompute)
        loss, _ = stage.loss(stage.drawing.draw(draw_samples(0, 0, range(4))))
        loss.backward()
        gradients.append(
            {
                key: value.grad
                for key, value in stage.trained.named_parameters()
                if value.requires_grad
            }
        )

    plain, recomputed = gradients
    assert any(value is not None and value.abs().sum() > 0 for value in plain.values())
    for key, value in plain.items():
        if value is None:
            assert recomputed[key] is None
        else:
            torch.testing.assert_close(recomputed[key], value, rtol=1e-4, atol=1e-7)
