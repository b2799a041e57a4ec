"""Import of all formats with SD 1.5's key names and shapes, and values that take no memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cli.main import main
from tcan_core.models.weights.builders import build_controlnet
from tcan_core.models.weights.importing.importer import check_files, write_parts
from tcan_core.models.weights.keys import read_safetensors
from tcan_core.models.weights.loading import load_strictly
from tcan_core.models.weights.presets import Preset, load_preset
from tests.tcan_core.foreign import animatediff
from tests.tcan_core.models.weights.importing.files import (
    FORMATS,
    as_official,
    assert_reported,
    damage,
    kind_of,
    make,
    part_state,
    shared,
    without_mid,
)

# Key names of the programs' files, and their numbers of tensors.
REAL_KEYS = {
    "ldm": [
        "model.diffusion_model.time_embed.0.weight",
        "model.diffusion_model.input_blocks.0.0.weight",
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight",
        "model.diffusion_model.input_blocks.4.0.skip_connection.weight",
        "model.diffusion_model.input_blocks.9.0.op.weight",
        "model.diffusion_model.middle_block.2.out_layers.3.bias",
        "model.diffusion_model.output_blocks.2.1.conv.weight",
        "model.diffusion_model.output_blocks.8.2.conv.bias",
        "model.diffusion_model.out.2.weight",
        "first_stage_model.encoder.down.2.downsample.conv.weight",
        "first_stage_model.encoder.mid.attn_1.proj_out.weight",
        "first_stage_model.decoder.up.3.upsample.conv.weight",
        "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight",
        "first_stage_model.post_quant_conv.bias",
        "cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc2.weight",
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
    ],
    "ldm-controlnet": [
        "control_model.input_hint_block.0.weight",
        "control_model.input_hint_block.14.bias",
        "control_model.zero_convs.11.0.weight",
        "control_model.middle_block_out.0.bias",
        "control_model.input_blocks.11.0.emb_layers.1.weight",
    ],
    "animatediff": [
        "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0."
        "attention_blocks.1.pos_encoder.pe",
        "mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.norms.1.bias",
        "up_blocks.3.motion_modules.2.temporal_transformer.transformer_blocks.0.ff_norm.weight",
    ],
    "official-unet-stage2": [
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora_B.default.weight",
        "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k.base_layer.weight",
    ],
    "lcm-lora": [
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0.lora_down.weight",
        "lora_unet_up_blocks_1_resnets_0_conv_shortcut.lora_up.weight",
        "lora_unet_down_blocks_1_resnets_0_time_emb_proj.alpha",
        "lora_unet_up_blocks_0_upsamplers_0_conv.lora_down.weight",
    ],
}
# Formats that other formats cover in part.
SLOWER = ("official-unet-stage1", "ldm-without-vae", "old-vae", "peft-lora", "diffusers-lora")
TENSORS = {"unet": 686, "vae": 248, "controlnet": 340, "ldm-controlnet": 340, "old-vae": 248}


def preset_for(name: str) -> Preset:
    """Load the preset for a format."""
    return load_preset("sd15-official" if name.startswith("official") else "sd15")


def report_of(path: Path, preset: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return the report of a dry run, which must fail if the file does not fit."""
    command = ["models", "import", str(path), "--preset", preset, "--dry-run", "--json"]
    with pytest.raises(SystemExit) as exited:
        main(command)
    out = capsys.readouterr()
    (report,) = json.loads(out.out)["files"]
    assert report["fits"] is (exited.value.code in (0, None)), out.err
    return dict(report) | {"error": out.err}


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOWER else []) for name in FORMATS],
)
def test_every_key_of_every_format_is_matched(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = preset_for(name)
    source = make(name, preset, shared)
    path = tmp_path / "file.ckpt"
    torch.save({"state_dict": source.state, "global_step": 1}, path)

    report = report_of(path, preset.name, capsys)

    assert set(REAL_KEYS.get(name, [])) <= set(source.state)
    assert len(source.state) == TENSORS.get(name, len(source.state))
    assert report["kind"] == kind_of(name)
    assert report["matched"] == {
        part: len(state) - (report["filled"] if part == "reference_unet" else 0)  # type: ignore[operator]
        for part, state in source.parts.items()
    }
    assert path.stat().st_size < 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize("how", ["removed", "renamed", "reshaped"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_rejected_with_the_key(
    name: str, how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = preset_for(name)
    state, key, fault = damage(make(name, preset, shared).state, how)
    path = tmp_path / "file.ckpt"
    torch.save(state, path)

    report = report_of(path, preset.name, capsys)

    assert_reported(report, key, fault, any_of_pair=how == "reshaped" and name.endswith("lora"))
    assert fault in str(report["error"])
    assert key in str(report["error"])


def test_motion_modules_without_a_mid_block_fit_a_preset_without(tmp_path: Path) -> None:
    preset = load_preset("sd15")
    path = tmp_path / "v3_sd15_mm.ckpt"
    torch.save(make("animatediff", without_mid(preset), shared).state, path)

    (v3,) = check_files([path], without_mid(preset))
    (v2,) = check_files([path], preset)

    assert v3.report.fits
    assert not v2.report.fits
    assert "use_motion_mid_block: false" in v2.report.hints[0]


def test_animatediff_v2_starts_a_preset_without_a_mid_block_as_in_the_official_code(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mm_sd_v15_v2.ckpt"
    torch.save(make("animatediff", load_preset("sd15"), shared).state, path)

    (plan,) = check_files([path], load_preset("sd15-official"))

    assert plan.report.fits
    assert plan.report.ignored > 0
    assert not any("mid_block" in key for key in plan.readers["motion_modules"]())


def test_the_official_preset_matches_the_official_networks() -> None:
    official, source = load_preset("sd15-official"), as_official(load_preset("sd15"), [2, 3])

    assert official.config_of == source.config_of
    assert official.norm_grouping == source.norm_grouping


@pytest.mark.slow
def test_a_full_size_file_is_written_and_loads(tmp_path: Path) -> None:
    preset = load_preset("sd15")
    source = make("ldm-controlnet", preset, shared)
    path = tmp_path / "control_v11p_sd15_openpose.pth"
    torch.save(source.state, path)

    write_parts(check_files([path], preset), tmp_path)

    written = tmp_path / "controlnet.safetensors"
    assert written.stat().st_size > 2 * 361_279_120  # in half precision, like the source
    with torch.device("meta"):
        controlnet = build_controlnet(preset)
    load_strictly(controlnet.to_empty(device="cpu"), read_safetensors(written), "controlnet")
    assert not any(value.any() for value in controlnet.state_dict().values())


def without_last_layers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a reference UNet as published: without the layers after its last features."""
    return {k: v for k, v in state.items() if not k.startswith(("conv_norm_out.", "conv_out."))}


@pytest.mark.long
@pytest.mark.parametrize("name", ["moore", "novita", "musepose"])
def test_published_files_of_animate_anyone_fit(name: str, tmp_path: Path) -> None:
    preset = load_preset(name)
    states = {part: part_state(preset, part, shared) for part in preset.parts}
    files = {
        "denoising_unet.pth": states["denoising_unet"],
        "reference_unet.pth": without_last_layers(states["reference_unet"]),
        "motion_module.pth": animatediff(states["motion_modules"], preset.max_context_size),
        "pose_guider.pth": states["pose_guider"],
        "pytorch_model.bin": states["image_encoder"],
    }
    for file, state in files.items():
        torch.save(state, tmp_path / file)

    plans = check_files([tmp_path / file for file in files], preset)

    assert all(plan.report.fits for plan in plans)
    assert [next(iter(plan.readers)) for plan in plans] == [
        "denoising_unet",
        "reference_unet",
        "motion_modules",
        "pose_guider",
        "image_encoder",
    ]
    assert plans[1].report.filled == 4


@pytest.mark.long
def test_published_file_of_magicanimate_gives_unet_and_motion_modules(tmp_path: Path) -> None:
    preset = load_preset("magicanimate")
    unet = part_state(preset, "denoising_unet", shared)
    motion = animatediff(part_state(preset, "motion_modules", shared), 24)
    for prefix in ("module.", "unet.", "module.unet."):
        path = tmp_path / "temporal_attention.ckpt"
        torch.save({"state_dict": {prefix + k: v for k, v in (unet | motion).items()}}, path)

        (plan,) = check_files([path], preset)

        assert plan.report.fits and set(plan.readers) == {"denoising_unet", "motion_modules"}


@pytest.mark.long
def test_published_motion_modules_for_few_steps_fit(tmp_path: Path) -> None:
    lightning, lcm = load_preset("sd15-lightning4"), load_preset("sd15-animatelcm")
    adapter = tmp_path / "animatediff_lightning_4step_diffusers.pth"
    torch.save(part_state(lightning, "motion_modules", shared), adapter)
    without_positions = animatediff(part_state(lcm, "motion_modules", shared), 64)
    plain = {k: v for k, v in without_positions.items() if not k.endswith(".pe")}
    torch.save({"state_dict": plain}, tmp_path / "AnimateLCM_sd15_t2v.ckpt")

    (first,) = check_files([adapter], lightning)
    (second,) = check_files([tmp_path / "AnimateLCM_sd15_t2v.ckpt"], lcm)

    assert first.report.fits and set(first.readers) == {"motion_modules"}
    assert second.report.fits and lcm.max_context_size == 64
    assert lcm.loras["lcm"].weight == 0.8 and lcm.loras["lcm"].into == ("denoising_unet",)
