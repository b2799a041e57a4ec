"""Weights load strictly; errors name keys and files that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.networks.motion import TemporalControlNet
from tcan_core.models.weights.builders import build_denoising_unet, build_text_encoder
from tcan_core.models.weights.keys import read_safetensors
from tcan_core.models.weights.loading import (
    load_base_unet,
    load_codec,
    load_controlnet,
    load_prompt,
    load_strictly,
    load_tcan,
)
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import Preset
from tcan_core.models.weights.store import LockEntry, lock, store_folder
from tcan_core.training.checkpoint import export_part

KEY = "conv_in.weight"


def with_file(preset: Preset, path: Path, sha256: str | None = None) -> Preset:
    """Return the preset with a file for its denoising UNet."""
    part = replace(preset.parts["denoising_unet"], file=path.name, sha256=sha256)
    parts = preset.parts | {"denoising_unet": part}
    return replace(preset, folder=str(path.parent), parts=parts)


def test_missing_renamed_and_reshaped_keys_are_named(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny)
    state = unet.state_dict()
    others = {name: value for name, value in state.items() if name != KEY}

    with pytest.raises(WeightsError, match=r"unet: keys 1 missing \(conv_in.weight\)$"):
        load_strictly(unet, others, "unet")
    with pytest.raises(WeightsError, match=r"1 missing \(conv_in.weight\); 1 unexpected \(conv_on"):
        load_strictly(unet, others | {"conv_on.weight": state[KEY]}, "unet")
    with pytest.raises(WeightsError, match=r"keys 1 of another shape \(conv_in.weight\)$"):
        load_strictly(unet, state | {KEY: state[KEY][:1]}, "unet")


def test_long_lists_of_keys_are_shortened(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny)

    with pytest.raises(WeightsError) as raised:
        load_strictly(unet, {}, "unet")

    assert f"{len(unet.state_dict())} missing" in str(raised.value)
    assert len(str(raised.value)) < 400


def test_nothing_is_loaded_when_a_key_is_missing(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny)
    before = unet.conv_in.weight.detach().clone()

    with pytest.raises(WeightsError):
        load_strictly(unet, {KEY: torch.zeros_like(before)}, "unet")

    assert torch.equal(unet.conv_in.weight, before)


def test_exported_weights_round_trip(tiny: Preset, weights: Path) -> None:
    unet, controlnet = load_base_unet(tiny, weights), load_controlnet(tiny, weights)

    for network, part in ((unet, "denoising_unet"), (controlnet, "controlnet")):
        state = load_file(weights / f"{part}.safetensors")
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name]), name


def test_half_precision_weights_are_read_as_float32(
    tiny: Preset, weights: Path, tmp_path: Path
) -> None:
    source = load_file(weights / "denoising_unet.safetensors")
    export_part(tmp_path / "denoising_unet.safetensors", source, torch.float16)

    state = read_part(tiny, "denoising_unet", tmp_path)

    assert all(value.dtype == torch.float32 for value in state.values())
    torch.testing.assert_close(state[KEY], source[KEY], rtol=1e-3, atol=1e-3)


def test_a_preset_reads_its_own_file_and_checks_its_sha256(
    tiny: Preset, weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "unet.safetensors"
    path.write_bytes((weights / "denoising_unet.safetensors").read_bytes())

    assert KEY in read_part(with_file(tiny, path, file_sha256(path)), "denoising_unet")
    with pytest.raises(WeightsError, match=f"sha256 is {file_sha256(path)}, but the preset has 00"):
        read_part(with_file(tiny, path, "00"), "denoising_unet")


def test_a_changed_file_in_the_store_is_rejected(
    tiny: Preset, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pulled preset has no digest; the lock file of its first pull is checked instead."""
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    store = store_folder("tiny")
    store.mkdir()
    path = store / "denoising_unet.safetensors"
    path.write_bytes((weights / path.name).read_bytes())
    digest = file_sha256(path)
    lock(store, {path.name: LockEntry(digest, "a hub")})
    preset = with_file(tiny, path)

    assert KEY in read_part(preset, "denoising_unet")
    save_file({key: value + 1 for key, value in load_file(path).items()}, path)

    message = f"sha256 is {file_sha256(path)}, but weights.lock.json has {digest}"
    for folder in (None, store):
        with pytest.raises(WeightsError, match=message):
            read_part(preset, "denoising_unet", folder)


@pytest.mark.parametrize("name", ["denoising_unet", "loras/style"])
def test_a_lock_outside_the_models_folder_is_checked(name: str, tmp_path: Path) -> None:
    """`tcan models import --into` writes the lock into the folder that it is given."""
    path = tmp_path / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({KEY: torch.zeros(2)}, path)
    lock(tmp_path, {f"{name}.safetensors": LockEntry(file_sha256(path), "a file")})
    assert KEY in read_safetensors(path)

    save_file({KEY: torch.ones(2)}, path)
    with pytest.raises(WeightsError, match=r"weights\.lock\.json has"):
        read_safetensors(path)


def test_missing_and_damaged_files_are_rejected(tiny: Preset, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preset tiny: no weights for vae at .*vae.safetensors"):
        load_codec(tiny, tmp_path)
    with pytest.raises(
        WeightsError, match=r"preset tiny: no weights for vae; run `tcan models import"
    ):
        load_codec(tiny)
    (tmp_path / "vae.safetensors").write_bytes(b"half of a file")
    with pytest.raises(WeightsError, match="vae.safetensors: not a safetensors file"):
        load_codec(tiny, tmp_path)


@pytest.mark.parametrize("motion", [True, False])
def test_the_whole_model_is_frozen_and_ready(tiny: Preset, weights: Path, motion: bool) -> None:
    tcan = load_tcan(tiny, weights, motion)

    assert isinstance(tcan.controlnet, TemporalControlNet) is motion
    for network in tcan.networks:
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


@torch.no_grad()
def test_without_motion_every_frame_is_denoised_alone(tiny: Preset, weights: Path) -> None:
    tcan = load_tcan(tiny, weights, motion=False)
    latents, pose_maps = torch.randn(1, 4, 3, 4, 4), torch.rand(1, 3, 3, 32, 32)
    timestep = torch.tensor([300])
    tcan.read_reference(torch.randn(1, 4, 4, 4), timestep)

    video = tcan.predict(latents, timestep, pose_maps, guidance_scale=2.0)
    second = tcan.predict(latents[:, :, 1:2], timestep, pose_maps[:, :, 1:2], guidance_scale=2.0)

    torch.testing.assert_close(video[:, :, 1:2], second, rtol=1e-4, atol=1e-5)


def test_a_preset_without_a_text_encoder_has_a_constant_prompt(tiny: Preset, weights: Path) -> None:
    assert torch.equal(load_prompt(tiny, weights), torch.ones(1, 1, 8))


def test_the_empty_prompt_is_one_start_and_many_end_tokens(tiny: Preset, tmp_path: Path) -> None:
    config = {
        "vocab_size": 12,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 7,
        "bos_token_id": 10,
        "eos_token_id": 11,
    }
    part = replace(tiny.parts["text_encoder"], config=config)
    preset = replace(tiny, parts=tiny.parts | {"text_encoder": part})
    torch.manual_seed(0)
    text_encoder = build_text_encoder(preset)
    assert text_encoder is not None
    export_part(tmp_path / "text_encoder.safetensors", text_encoder.state_dict())

    prompt = load_prompt(preset, tmp_path)

    with torch.no_grad():
        tokens = torch.tensor([[10, 11, 11, 11, 11, 11, 11]])
        expected = text_encoder(tokens).last_hidden_state
    assert prompt.shape == (1, 7, 8) and not prompt.requires_grad
    torch.testing.assert_close(prompt, expected)


def test_parts_are_searched_in_several_folders(tiny: Preset, weights: Path, tmp_path: Path) -> None:
    state = load_file(weights / "lora.safetensors")
    zeroed = {name: torch.zeros_like(value) for name, value in state.items()}
    export_part(tmp_path / "lora.safetensors", zeroed)

    assert all(value.sum() == 0 for value in read_part(tiny, "lora", [tmp_path, weights]).values())
    assert any(value.sum() != 0 for value in read_part(tiny, "lora", [weights, tmp_path]).values())
    assert KEY in read_part(tiny, "denoising_unet", [tmp_path, weights])
    with pytest.raises(WeightsError, match="no weights for other at .*, .*other.safetensors"):
        read_part(tiny, "other", [tmp_path, weights])
