"""Shipped presets load; errors name the wrong key or value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcan_core.errors import ConfigError
from tcan_core.models.weights.importing.expected import expected_shapes
from tcan_core.models.weights.meta_model import uninitialized_tcan
from tcan_core.models.weights.presets import load_preset, shipped_presets

PARTS = {
    "vae",
    "text_encoder",
    "denoising_unet",
    "reference_unet",
    "controlnet",
    "lora",
    "motion_modules",
    "controlnet_motion_modules",
}
PARTS_OF_IMAGE_TEXT = {
    "vae",
    "image_encoder",
    "denoising_unet",
    "reference_unet",
    "pose_guider",
    "motion_modules",
}
SMALL = """
name: small
description: for a test
resolution: 32
prediction_type: sample
detector: puppet
parts: {vae: {file: codec.safetensors, sha256: aa}, lora: {}}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "preset.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_shipped_preset_loads_with_all_parts() -> None:
    assert shipped_presets() == [
        "magicanimate",
        "mini",
        "moore",
        "musepose",
        "novita",
        "sd15",
        "sd15-animatelcm",
        "sd15-lightning4",
        "sd15-lightning8",
        "sd15-magic",
        "sd15-official",
    ]
    for name in shipped_presets():
        preset = load_preset(name)
        assert preset.name == name
        assert (PARTS if preset.text == "prompt" else PARTS_OF_IMAGE_TEXT) <= set(preset.parts)


def test_an_unknown_preset_error_lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="no preset 'maxi'; use one of magicanimate, mini, m"):
        load_preset("maxi")
    with pytest.raises(ConfigError, match="did you mean 'sd15'"):
        load_preset("sd16")
    with pytest.raises(ConfigError, match=r"no preset '/nowhere/preset.yaml'"):
        load_preset("/nowhere/preset.yaml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "schedule: {zero_terminal_snr: true}\nprediction_type: epsilon",
            "zero_terminal_snr needs prediction_type v_prediction or sample",
        ),
        ("text: image", "text is 'image', which needs the part image_encoder"),
        (
            "parts: {controlnet: {}, pose_guider: {}}",
            "controlnet and pose_guider exclude each other; set one of them to null",
        ),
        ("resolutoin: 64", "unknown key resolutoin; known are name, description, resolution"),
        ("prediction_type: x0", "prediction_type: expected one of 'epsilon', 'v_prediction', 's"),
        ("sampling: {noise: pink}", "sampling: noise: expected one of 'independent', 'freenoise'"),
        ("resolution: large", "resolution: expected int, got 'large'"),
        ("parts: {vae: {path: x}}", r"parts.vae: unknown key path; known are config, file"),
        ("parts: [vae]", "parts: expected a mapping"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset(write(tmp_path, f"{SMALL}\n{line}\n"))


def test_missing_keys_and_broken_yaml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing description, resolution"):
        load_preset(write(tmp_path, "name: incomplete"))
    with pytest.raises(ConfigError, match=r"preset.yaml: while parsing"):
        load_preset(write(tmp_path, "name: [unclosed"))
    with pytest.raises(ConfigError, match="expected a mapping, got None"):
        load_preset(write(tmp_path, ""))


def test_part_files_are_relative_to_the_yaml(tmp_path: Path) -> None:
    preset = load_preset(write(tmp_path, SMALL))

    assert preset.part_file("vae") == tmp_path / "codec.safetensors"
    assert preset.part_file("lora") is None
    assert preset.config_of == {"vae": {}, "lora": {}}


def test_sha256sums_provide_files_and_digests(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text("11  lora.safetensors\n22 *codec.safetensors\n")

    preset = load_preset(write(tmp_path, SMALL))

    assert preset.part_file("lora") == tmp_path / "lora.safetensors"
    assert (preset.parts["lora"].sha256, preset.parts["vae"].sha256) == ("11", "22")


@pytest.mark.long
def test_the_documented_small_preset_builds(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs" / "weights.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(# small.yaml\n.*?)```", text, re.DOTALL)

    preset = load_preset(write(tmp_path, block))

    tcan = uninitialized_tcan(preset)
    assert tcan.prompt.shape == (1, 77, 24)
    assert all(expected_shapes(preset, part) for part in preset.parts)
