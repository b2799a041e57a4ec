"""Parts of presets; full-size modules are built on the meta device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcan_core.models.weights.inventory import damaged_parts, inventory, part_parameters
from tcan_core.models.weights.presets import Preset, load_preset


def with_files(preset: Preset, folder: Path) -> Preset:
    parts = {name: replace(part, file=f"{name}.safetensors") for name, part in preset.parts.items()}
    return replace(preset, folder=str(folder), parts=parts)


@pytest.mark.parametrize(
    ("part", "published"),
    [
        ("denoising_unet", 859_520_964),
        ("reference_unet", 859_520_964),
        ("controlnet", 361_279_120),
        ("motion_modules", 453_209_280),
        ("vae", 83_653_863),
        ("preview_decoder", 2_445_063),
        ("text_encoder", 123_060_480),
    ],
)
def test_the_full_size_model_has_the_published_parameter_counts(part: str, published: int) -> None:
    assert part_parameters(load_preset("sd15"), part) == published


@pytest.mark.parametrize(
    ("preset", "part", "published"),
    [
        ("moore", "image_encoder", 303_966_208),
        ("moore", "pose_guider", 1_086_480),
        ("moore", "motion_modules", 453_209_280),
        ("magicanimate", "motion_modules", 417_137_600),
    ],
)
def test_presets_of_other_weights_have_the_published_parameter_counts(
    preset: str, part: str, published: int
) -> None:
    assert part_parameters(load_preset(preset), part) == published


def test_motion_modules_without_a_mid_block_have_the_size_of_animatediff_v1() -> None:
    preset = load_preset("sd15")
    motion = preset.parts["motion_modules"]
    v1 = replace(motion, config=motion.config | {"use_motion_mid_block": False})

    assert part_parameters(
        replace(preset, parts=preset.parts | {"motion_modules": v1}), "motion_modules"
    ) == (417_137_600)


def test_every_shipped_part_can_be_counted() -> None:
    for part in inventory(load_preset("mini")):
        assert (part.parameters > 0) is (part.name != "text_encoder"), part


def test_parameter_counts_equal_those_of_the_weights(tiny: Preset, weights: Path) -> None:
    from safetensors.torch import load_file

    for part in inventory(tiny):
        if part.parameters:
            state = load_file(weights / f"{part.name}.safetensors")
            assert part.parameters == sum(value.numel() for value in state.values()), part.name


def test_a_part_is_present_if_its_file_exists(tiny: Preset, weights: Path) -> None:
    assert {part.name for part in inventory(tiny) if part.present} == {"text_encoder"}

    present = {part.name: part.present for part in inventory(with_files(tiny, weights))}

    assert not present.pop("text_encoder")  # `with_files` names a file that does not exist
    assert all(present.values())


def test_missing_and_damaged_files_are_found(tiny: Preset, tmp_path: Path) -> None:
    preset = with_files(tiny, tmp_path)
    parts = preset.parts | {"vae": replace(preset.parts["vae"], sha256="00")}
    (tmp_path / "vae.safetensors").write_bytes(b"something else")

    wrong = damaged_parts(replace(preset, parts=parts))

    assert wrong["vae"] == "vae.safetensors does not have the sha256 in the preset"
    assert wrong["lora"] == "lora.safetensors is missing"
    assert damaged_parts(tiny) == {}
