"""Models without TCAN's weights: substituted and omitted parts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel

from tcan_core.errors import WeightsError
from tcan_core.models.networks.motion import TemporalControlNet, motion_state, select_for
from tcan_core.models.weights.inventory import is_zero_shot, substituted_parts
from tcan_core.models.weights.loading import load_appearance, load_tcan
from tcan_core.models.weights.part_files import read_part, weights_source
from tcan_core.models.weights.presets import Preset, load_preset

ZERO_SHOT = {
    "reference_unet": "denoising_unet",
    "lora": "leave_out",
    "controlnet_motion_modules": "leave_out",
}


def with_absent(preset: Preset, **absent: str) -> Preset:
    parts = {
        name: replace(part, absent=absent.get(name, part.absent))
        for name, part in preset.parts.items()
    }
    return replace(preset, parts=parts)


@pytest.fixture
def base_weights(weights: Path, tmp_path: Path) -> Path:
    """Copy weights without TCAN's own: base, ControlNet, VAE, motion modules."""
    for name in ("vae", "denoising_unet", "controlnet", "motion_modules"):
        shutil.copy(weights / f"{name}.safetensors", tmp_path)
    return tmp_path


def test_missing_weights_are_rejected_unless_the_preset_allows_them(
    tiny: Preset, base_weights: Path
) -> None:
    with pytest.raises(WeightsError, match="preset tiny: no weights for lora"):
        load_tcan(tiny, base_weights)


def test_a_zero_shot_model_equals_the_base_with_reference_attention(
    tiny: Preset, base_weights: Path
) -> None:
    preset = with_absent(tiny, **ZERO_SHOT)

    tcan = load_tcan(preset, base_weights)

    base = read_part(preset, "denoising_unet", base_weights)
    assert all(torch.equal(v, base[k]) for k, v in tcan.reference_unet.state_dict().items())
    assert isinstance(tcan.controlnet, ControlNetModel)
    assert substituted_parts(preset, base_weights) == {
        "reference_unet": "denoising_unet",
        "lora": "nothing",
        "controlnet_motion_modules": "nothing",
    }
    assert is_zero_shot(preset, base_weights)
    tcan.read_reference(torch.randn(1, 4, 4, 4), torch.tensor([500]))
    result = tcan.predict(
        torch.randn(1, 4, 3, 4, 4), torch.tensor([500]), torch.rand(1, 3, 3, 32, 32), 2.0
    )
    assert result.shape == (1, 4, 3, 4, 4)
    assert result.isfinite().all()


def test_the_unets_motion_modules_can_substitute_the_controlnets(
    tiny: Preset, base_weights: Path
) -> None:
    substituted = ZERO_SHOT | {"controlnet_motion_modules": "motion_modules"}
    preset = with_absent(tiny, **substituted)

    tcan = load_tcan(preset, base_weights)

    assert isinstance(tcan.controlnet, TemporalControlNet)
    expected = select_for(tcan.controlnet, read_part(preset, "motion_modules", base_weights))
    assert any(name.startswith("mid_block.") for name in expected)
    assert motion_state(tcan.controlnet).keys() == expected.keys()
    for name, value in motion_state(tcan.controlnet).items():
        assert torch.equal(value, expected[name]), name


def test_existing_own_weights_are_used_instead_of_a_substitute(tiny: Preset, weights: Path) -> None:
    preset = with_absent(tiny, reference_unet="denoising_unet", lora="leave_out")

    assert weights_source(preset, "reference_unet", weights) == "reference_unet"
    assert substituted_parts(preset, weights) == {}
    assert not is_zero_shot(preset, weights)
    substituted, _, _ = load_appearance(preset, weights)
    own, _, _ = load_appearance(tiny, weights)
    for key, value in own.state_dict().items():
        assert torch.equal(value, substituted.state_dict()[key]), key


def test_mini_has_no_substituted_parts() -> None:
    assert substituted_parts(load_preset("mini")) == {}
    assert not is_zero_shot(load_preset("mini"))
