"""Import of all formats at tiny widths: the written weights equal the originals."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.networks.reference_attention import connect_reference
from tcan_core.models.weights.builders import build_denoising_unet, build_reference_unet
from tcan_core.models.weights.importing.expected import expected_shapes, unread_by_reference
from tcan_core.models.weights.importing.importer import (
    check_files,
    write_parts,
    write_safetensors,
)
from tcan_core.models.weights.importing.kinds import Kind
from tcan_core.models.weights.keys import check_keys
from tcan_core.models.weights.merged_loras import merge_into
from tcan_core.models.weights.presets import Part, Preset, load_preset
from tcan_core.models.weights.store import read_lock
from tests.tcan_core import foreign
from tests.tcan_core.models.weights.importing.files import (
    FORMATS,
    LCM_MODULES,
    as_official,
    assert_reported,
    damage,
    make,
    shared,
)
from tests.tcan_core.tiny_weights import TINY_DECODER, shaken

CLIP = {
    "vocab_size": 49408,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "projection_dim": 8,
}
MOTION = "motion_modules"
POSE_EMBEDDING = {"conditioning_embedding_out_channels": [4, 8, 8, 8]}


@pytest.fixture
def full_preset(tiny: Preset) -> Preset:
    """Return the tiny preset with all networks of sd15 and a VAE with attention."""
    parts = dict(tiny.parts)
    controlnet = {k: v for k, v in parts["controlnet"].config.items() if k != "pose_patch_size"}
    parts["controlnet"] = replace(parts["controlnet"], config=controlnet | POSE_EMBEDDING)
    parts["text_encoder"] = replace(parts["text_encoder"], config=CLIP)
    parts["preview_decoder"] = Part(TINY_DECODER, absent="vae")
    vae = parts["vae"].config | {"mid_block_add_attention": True}
    parts["vae"] = replace(parts["vae"], config=vae)
    return replace(tiny, parts=parts)


def write(folder: Path, name: str, state: dict[str, Tensor]) -> Path:
    path = folder / name
    plain = {key: value.contiguous().clone() for key, value in state.items()}
    if path.suffix == ".safetensors":
        save_file(plain, path)
    else:
        torch.save(plain, path)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_imported_weights_are_unchanged(name: str, full_preset: Preset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    preset = as_official(full_preset, [1]) if name.startswith("official") else full_preset
    source = make(name, preset, lambda *shape: torch.randn(shape, dtype=torch.float16))

    suffix = ".safetensors" if "lora" in name else ".ckpt"
    check = check_files([write(tmp_path, f"file{suffix}", source.state)], preset)
    write_parts(check, tmp_path / "store")

    assert set(check[0].report.written) == set(source.parts)
    for part, expected in source.parts.items():
        state = load_file(tmp_path / "store" / f"{part}.safetensors")
        check_keys(part, expected, state)
        for key, value in expected.items():
            torch.testing.assert_close(state[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("how", ["removed", "renamed", "reshaped"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_rejected_with_the_key(
    name: str, how: str, full_preset: Preset, tmp_path: Path
) -> None:
    preset = as_official(full_preset, [1]) if name.startswith("official") else full_preset
    state, key, fault = damage(make(name, preset, torch.zeros).state, how)

    (check,) = check_files([write(tmp_path, "file.ckpt", state)], preset)

    assert not check.report.fits
    pairs = how == "reshaped" and name.endswith("lora")
    assert_reported(check.report.to_json(), key, fault, any_of_pair=pairs)
    with pytest.raises(WeightsError, match=re.escape(key)):
        write_parts([check], tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_each_file_is_locked_with_its_origin(tiny: Preset, tmp_path: Path) -> None:
    source = make("unet", tiny, torch.randn)
    path = write(tmp_path, "base.safetensors", source.state)

    write_parts(check_files([path], tiny), tmp_path / "store")

    entry = read_lock(tmp_path / "store")["denoising_unet.safetensors"]
    assert entry.sha256 == file_sha256(tmp_path / "store" / "denoising_unet.safetensors")
    assert (entry.origin, entry.kind) == (str(path), "unet")
    assert entry.source_sha256 == file_sha256(path)


def test_a_unet_can_become_the_reference_unet(full_preset: Preset, tmp_path: Path) -> None:
    source = make("ldm", full_preset, torch.randn)
    path = write(tmp_path, "realistic.safetensors", source.state)

    check = check_files([path], full_preset, part="reference_unet")

    assert set(check[0].readers) == {"reference_unet"}
    assert check[0].report.fits


def test_an_external_vae_replaces_the_one_in_a_checkpoint(
    full_preset: Preset, tmp_path: Path
) -> None:
    inside = write(tmp_path, "model.safetensors", make("ldm", full_preset, torch.randn).state)
    outside = write(tmp_path, "vae.pt", make("ldm-vae", full_preset, torch.randn).state)
    lacking = write(
        tmp_path, "m.safetensors", make("ldm-without-vae", full_preset, torch.randn).state
    )

    first, second = check_files([inside, outside], full_preset)

    assert "vae" not in first.readers
    assert set(second.readers) == {"vae"}
    assert f"vae is taken from {outside} instead" in first.report.hints
    assert "the file has no VAE" in check_files([lacking], full_preset)[0].report.hints[0]


def test_one_mismatch_prevents_the_whole_import(tiny: Preset, tmp_path: Path) -> None:
    good = write(tmp_path, "good.safetensors", make("unet", tiny, torch.randn).state)
    state = make("controlnet", tiny, torch.randn).state
    del state["conv_in.weight"]
    bad = write(tmp_path, "bad.safetensors", state)

    with pytest.raises(WeightsError, match=r"bad\.safetensors: 1 missing \(conv_in\.weight\)"):
        write_parts(check_files([good, bad], tiny), tmp_path / "store")

    assert not (tmp_path / "store").exists()


def test_motion_modules_with_another_number_of_positions_are_rejected(
    tiny: Preset, tmp_path: Path
) -> None:
    state = foreign.animatediff(make("motion-adapter", tiny, torch.randn).state, 24)

    (check,) = check_files([write(tmp_path, "mm.ckpt", state)], tiny)

    assert "24 positions, motion_max_seq_length is 32" in check.report.mismatched[0]
    assert not check.report.fits


def test_text_encoder_keys_of_a_lora_are_ignored(tiny: Preset, tmp_path: Path) -> None:
    source = make("lcm-lora", tiny, torch.randn)
    text = {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.zeros(2, 2)}

    (check,) = check_files([write(tmp_path, "x.safetensors", source.state | text)], tiny)

    assert check.report.fits
    assert check.report.ignored == 1


def test_lora_alpha_scales_as_in_diffusers_and_peft(tiny: Preset, tmp_path: Path) -> None:
    """Compare our merge of a kohya file with diffusers' loader and peft's layers."""
    torch.manual_seed(0)
    unet = shaken(build_denoising_unet(tiny))
    plain = {key: value.clone() for key, value in unet.state_dict().items()}
    lora = foreign.lora_for(expected_shapes(tiny, "denoising_unet"), 4, torch.randn, LCM_MODULES)
    file = foreign.kohya(lora, alpha=1.5)
    state, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(dict(file))
    unet.load_lora_adapter(state, network_alphas=alphas, prefix="unet")  # type: ignore[operator]
    inputs = (torch.randn(2, 4, 4, 4), torch.tensor([10, 900]), torch.randn(2, 1, 8))
    with torch.no_grad():
        expected = unet(*inputs).sample
        merged = build_denoising_unet(tiny)
        merged.load_state_dict(plain)
        before = merged(*inputs).sample
        (check,) = check_files([write(tmp_path, "lora.safetensors", file)], tiny)
        merge_into(merged.state_dict(), check.readers["loras/lora"](), 1.0, "lora")
        after = merged(*inputs).sample

    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
    assert (before - expected).abs().max() > 0.1


def test_keys_missing_in_the_appearance_encoder_have_no_effect(tiny: Preset) -> None:
    torch.manual_seed(0)
    reference, other = (shaken(build_reference_unet(tiny)) for _ in range(2))
    state = reference.state_dict()
    unread_keys = unread_by_reference(tiny, state)
    other.load_state_dict(state | {key: torch.zeros_like(state[key]) for key in unread_keys})
    inputs = (torch.randn(1, 4, 4, 4), torch.tensor([500]), torch.ones(1, 1, 8))

    banks = []
    for network in (reference, other):
        bank = connect_reference(network, build_denoising_unet(tiny))
        with torch.no_grad():
            network(*inputs)
        banks.append(bank.features)

    assert len(unread_keys) > 10
    assert banks[0].keys() == banks[1].keys()
    for name, features in banks[0].items():
        assert torch.equal(features, banks[1][name]), name


def test_a_file_of_unknown_format_is_rejected(tiny: Preset, tmp_path: Path) -> None:
    path = write(tmp_path, "x.safetensors", {"layer.weight": torch.zeros(2)})
    with pytest.raises(WeightsError, match="unknown format; its first keys are layer.weight"):
        check_files([path], tiny)

    (check,) = check_files([path], tiny, Kind.VAE)
    assert check.report.unexpected == ["layer.weight"]
    assert len(check.report.missing) == len(expected_shapes(tiny, "vae"))


def test_weights_of_another_network_are_rejected(tiny: Preset, tmp_path: Path) -> None:
    wide = dict(tiny.parts)
    config = wide["denoising_unet"].config | {"block_out_channels": [16, 32]}
    wide["denoising_unet"] = replace(wide["denoising_unet"], config=config)
    source = make("ldm", replace(tiny, parts=wide), torch.randn)

    (check,) = check_files([write(tmp_path, "wide.ckpt", source.state)], tiny)

    conv_in = "model.diffusion_model.input_blocks.0.0.weight: (16, 4, 3, 3) instead of (8, 4, 3, 3)"
    assert conv_in in check.report.mismatched
    assert not check.report.missing


def test_a_network_without_lora_removes_that_of_the_replaced_one(
    full_preset: Preset, tmp_path: Path
) -> None:
    preset, store = as_official(full_preset, [1]), tmp_path / "store"
    official = write(tmp_path, "unet.ckpt", make("official-unet-stage2", preset, torch.randn).state)
    temporal = write(tmp_path, "c.ckpt", make("official-controlnet", preset, torch.randn).state)
    write_parts(check_files([official, temporal], preset), store)
    plain = write(tmp_path, "plain.safetensors", make("unet", preset, torch.randn).state)
    still = write(tmp_path, "still.safetensors", make("controlnet", preset, torch.randn).state)

    plans = check_files([plain, still], preset)
    write_parts(plans, store)

    names = {path.name for path in store.glob("*.safetensors")}
    assert names == {f"{part}.safetensors" for part in ("denoising_unet", "controlnet", MOTION)}
    assert set(read_lock(store)) == names
    assert "lora was removed: it came from the same file as the denoising_unet before" in (
        plans[0].report.hints
    )
    assert any("controlnet_motion_modules was removed" in hint for hint in plans[1].report.hints)


def test_a_lora_of_another_file_is_kept(full_preset: Preset, tmp_path: Path) -> None:
    preset, store = as_official(full_preset, [1]), tmp_path / "store"
    official = write(tmp_path, "unet.ckpt", make("official-unet-stage2", preset, torch.randn).state)
    write_parts(check_files([official], preset), store)
    again = write(tmp_path, "again.ckpt", make("official-unet-stage2", preset, torch.randn).state)

    write_parts(check_files([again], preset), store)

    assert (store / "lora.safetensors").exists()
    assert read_lock(store)["lora.safetensors"].origin == str(again)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    tiny: Preset, tmp_path: Path, value: float
) -> None:
    state = make("unet", tiny, torch.randn).state
    state["conv_in.weight"][0, 0] = value
    path = write(tmp_path, "diverged.safetensors", state)

    with pytest.raises(WeightsError, match=r"diverged\.safetensors: 1 keys .* \(conv_in\.weight\)"):
        write_parts(check_files([path], tiny), tmp_path / "store")

    assert not (tmp_path / "store").exists()


def test_other_widths_are_named_instead_of_every_key(tiny: Preset, tmp_path: Path) -> None:
    parts = dict(tiny.parts)
    for name in ("denoising_unet", "motion_modules"):
        config = parts[name].config | {"block_out_channels": [16, 32]}
        parts[name] = replace(parts[name], config=config)
    wide = replace(tiny, parts=parts)
    unet = write(tmp_path, "wide.safetensors", make("unet", wide, torch.randn).state)
    motion = write(tmp_path, "mm.ckpt", make("animatediff", wide, torch.randn).state)

    reports = [plan.report for plan in check_files([unet, motion], tiny)]

    widths = "block_out_channels differ: [16, 32] in the file, [8, 16] in the preset"
    assert reports[0].faults() == f"denoising_unet: {widths}"
    assert reports[1].faults() == f"motion_modules: {widths}"
    assert len(reports[0].mismatched) > 100 and not reports[0].fits


def test_another_text_encoder_is_named(full_preset: Preset, tmp_path: Path) -> None:
    sd15 = load_preset("sd15")
    config = sd15.parts["denoising_unet"].config | {"cross_attention_dim": 1024}
    parts = sd15.parts | {"denoising_unet": replace(sd15.parts["denoising_unet"], config=config)}
    sd2 = make("unet", replace(sd15, parts=parts), shared)
    path = tmp_path / "sd2.pth"
    torch.save(sd2.state, path)

    (check,) = check_files([path], sd15)

    assert check.report.faults() == (
        "denoising_unet: cross_attention_dim differs: 1024 in the file, 768 in the preset"
    )


def test_tensors_that_share_their_memory_are_stored_each(tmp_path: Path) -> None:
    numbers = torch.arange(6.0)
    state = {"one": numbers, "other": numbers.view(2, 3), "part": numbers[:2]}

    write_safetensors(tmp_path / "part.safetensors", state)

    stored = load_file(tmp_path / "part.safetensors")
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[key], value) for key, value in state.items())
