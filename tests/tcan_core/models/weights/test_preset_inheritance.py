"""Presets that extend others, and their weights in the models folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcan_core.errors import ConfigError, WeightsError
from tcan_core.models.weights.part_files import find_part
from tcan_core.models.weights.presets import load_preset, own_presets
from tcan_core.models.weights.store import store_folder

BASE = """
name: base
description: the base
resolution: 32
prediction_type: sample
detector: puppet
sampling: {num_inference_steps: 7, guidance_scale: 2.0}
parts:
  vae: {file: codec.safetensors, sha256: aa, source: somewhere, config: {a: 1, b: 2}}
  lora: {pull: {repo: some/one, file: lora.safetensors}}
  motion_modules: {}
"""


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def write_weights(preset: str, part: str) -> Path:
    path = store_folder(preset) / f"{part}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def test_unset_keys_are_inherited_from_the_base(models: Path, tmp_path: Path) -> None:
    write(models / "base" / "preset.yaml", BASE)
    path = write(
        tmp_path / "own" / "mine.yaml",
        "extends: base\nname: mine\nsampling: {guidance_scale: 3.0}\n"
        "parts: {vae: {config: {b: 3}}, lora: {source: another}}\n"
        "loras: {style: {weight: 0.5, file: style.safetensors}}\n",
    )

    preset = load_preset(path)

    assert (preset.name, preset.description, preset.resolution) == ("mine", "the base", 32)
    assert preset.sampling.num_inference_steps == 7
    assert preset.sampling.guidance_scale == 3.0
    assert preset.parts["vae"].config == {"a": 1, "b": 3}
    assert preset.part_file("vae") == models / "base" / "codec.safetensors"
    assert preset.parts["vae"].sha256 == "aa"
    assert preset.parts["lora"].pull is not None
    assert preset.parts["lora"].source == "another"
    assert preset.lora_file("style") == tmp_path / "own" / "style.safetensors"
    assert preset.loras["style"].weight == 0.5


def test_a_part_with_its_own_weights_does_not_inherit_weights(models: Path, tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    own = "extends: {}\nname: mine\nparts: {{vae: {{file: own.safetensors}}, lora: {{{}}}}}\n"
    write_weights("base", "lora")
    inherits = load_preset(write(tmp_path / "a.yaml", own.format("base.yaml", "")))
    pulls = "pull: {repo: another/one, file: x.safetensors}"
    differs = load_preset(write(tmp_path / "b.yaml", own.format(base, pulls)))

    assert inherits.part_file("lora") == store_folder("base") / "lora.safetensors"
    assert differs.part_file("lora") is None  # not the base's weights
    assert inherits.part_file("vae") == tmp_path / "own.safetensors"
    assert inherits.parts["vae"].sha256 is None
    assert inherits.parts["vae"].config == {"a": 1, "b": 2}


def test_a_part_can_be_removed(models: Path, tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)

    mine = load_preset(
        write(tmp_path / "mine.yaml", f"extends: {base}\nname: mine\nparts: {{lora: null}}\n")
    )

    assert "lora" not in mine.parts and "vae" in mine.parts


def test_own_weights_take_precedence_over_inherited_ones(models: Path, tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", BASE)
    mine = load_preset(write(tmp_path / "mine.yaml", "extends: base.yaml\nname: mine\n"))
    write_weights("base", "motion_modules")
    assert mine.part_file("motion_modules") == store_folder("base") / "motion_modules.safetensors"

    own = write_weights("mine", "motion_modules")

    assert mine.part_file("motion_modules") == own
    assert find_part(mine, "motion_modules") == own


def test_weights_imported_into_any_base_are_seen(models: Path, tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", BASE)
    middle = "extends: base.yaml\nname: middle\nloras: {style: {weight: 0.5}}\n"
    write(tmp_path / "middle.yaml", middle)
    top = load_preset(write(tmp_path / "top.yaml", "extends: middle.yaml\nname: top\n"))
    in_base = write_weights("base", "motion_modules")
    assert top.part_file("motion_modules") == in_base

    in_middle = write_weights("middle", "motion_modules")
    lora = write_weights("middle", "loras/style")

    assert top.part_file("motion_modules") == in_middle
    assert top.lora_file("style") == lora
    assert top.part_file("motion_modules") != write_weights("top", "lora")
    assert top.part_file("lora") == store_folder("top") / "lora.safetensors"


def test_presets_in_the_models_folder_load_by_name(models: Path) -> None:
    write(models / "mine" / "preset.yaml", "extends: mini\nname: mine\n")
    write(models / "mini" / "preset.yaml", "name: a shipped one cannot be replaced\n")

    assert own_presets() == ["mine"]
    assert load_preset("mine").resolution == 64
    assert load_preset("mini").name == "mini"


def test_cyclic_inheritance_is_rejected(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "extends: b.yaml\nname: a\n")
    write(tmp_path / "b.yaml", "extends: a.yaml\nname: b\n")
    with pytest.raises(ConfigError, match="more than 8 presets extend each other"):
        load_preset(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: ../elsewhere", "name is '../elsewhere'; allowed: letters"),
        ("parts: {lora: {absent: unknown}}", "parts.lora: absent is 'unknown'; allowed: refuse"),
        ("parts: {lora: {absent: lora}}", "parts.lora: absent is 'lora'"),
        ("loras: {x: {into: [vae]}}", "into: vae; allowed: denoising_unet, reference_unet"),
        ("norm_grouping: none", "norm_grouping: expected one of 'per_frame', 'official'"),
        ("extends: unknown", "no preset 'unknown'"),
        ("name: ''", "a preset that extends 'mini' needs a name of its own"),
    ],
)
def test_invalid_presets_are_rejected_with_the_cause(
    tmp_path: Path, text: str, message: str
) -> None:
    lines = ["extends: mini", "name: mine"]
    key = text.split(":")[0]
    other_lines = [line for line in lines if not line.startswith(f"{key}:")]
    with pytest.raises(ConfigError, match=message):
        load_preset(write(tmp_path / "mine.yaml", "\n".join([*other_lines, text])))


def test_the_error_for_missing_weights_names_the_commands(models: Path) -> None:
    with pytest.raises(
        WeightsError, match="no weights for vae; run `tcan models pull sd15` or `tcan"
    ):
        find_part(load_preset("sd15"), "vae")
