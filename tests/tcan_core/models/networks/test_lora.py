"""APPA: LoRA only on queries, keys and values of the spatial attention."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft.tuners.lora import Linear
from torch import nn

from tcan_core.errors import WeightsError
from tcan_core.models.networks.lora import add_lora, load_lora, lora_state, merge_lora
from tcan_core.models.networks.motion import add_motion
from tcan_core.models.weights.builders import build_denoising_unet, build_motion_adapter
from tcan_core.models.weights.loading import load_base_unet, load_strictly, unload_merged
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import Preset, load_preset

TIMESTEP = torch.tensor([10, 900])


def adapted_layers(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, Linear)]


def test_lora_adapts_spatial_queries_keys_and_values(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny)
    attentions = [name.removesuffix(".processor") for name in unet.attn_processors]
    add_lora(unet, 2, 2)

    assert sorted(adapted_layers(unet)) == sorted(
        f"{attention}.{layer}" for attention in attentions for layer in ("to_q", "to_k", "to_v")
    )


def test_lora_does_not_adapt_motion_modules(tiny: Preset) -> None:
    image_unet = build_denoising_unet(tiny)
    add_lora(image_unet, 2, 2)
    video_unet = add_motion(build_denoising_unet(tiny), build_motion_adapter(tiny))
    add_lora(video_unet, 2, 2)

    assert sorted(adapted_layers(video_unet)) == sorted(adapted_layers(image_unet))


def test_lora_of_the_full_size_model_has_96_layers() -> None:
    preset = load_preset("sd15")
    with torch.device("meta"):
        unet = build_denoising_unet(preset)
        add_lora(unet, **preset.parts["lora"].config)

    assert len(adapted_layers(unet)) == 96  # 16 transformer blocks, two attentions each, q, k and v
    assert {module.scaling["appa"] for module in unet.modules() if isinstance(module, Linear)} == {
        1
    }


@torch.no_grad()
def test_a_merged_adapter_equals_the_unmerged_one(tiny: Preset, weights: Path) -> None:
    unet = load_base_unet(tiny, weights)
    keys = set(unet.state_dict())
    latents, prompt = torch.randn(2, 4, 4, 4), torch.ones(2, 1, 8)
    plain = unet(latents, TIMESTEP, prompt).sample
    add_lora(unet, **tiny.parts["lora"].config)
    # A new LoRA has no effect.
    torch.testing.assert_close(unet(latents, TIMESTEP, prompt).sample, plain)

    load_lora(unet, read_part(tiny, "lora", weights))
    unmerged = unet(latents, TIMESTEP, prompt).sample
    merge_lora(unet)
    unload_merged(unet)

    assert not torch.allclose(unmerged, plain, atol=1e-5)
    merged = unet(latents, TIMESTEP, prompt).sample
    torch.testing.assert_close(merged, unmerged, rtol=1e-4, atol=1e-5)
    assert set(unet.state_dict()) == keys


def test_frozen_weights_stay_frozen_under_lora(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny).requires_grad_(False)
    add_lora(unet, 2, 2)

    trained = {name for name, value in unet.named_parameters() if value.requires_grad}

    assert len(trained) == 2 * len(adapted_layers(unet))
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)


def test_lora_weights_that_do_not_fit_are_named(tiny: Preset, weights: Path) -> None:
    unet = build_denoising_unet(tiny)
    add_lora(unet, 2, 2)
    state = read_part(tiny, "lora", weights)
    name = sorted(state)[0]

    with pytest.raises(WeightsError, match=f"lora: keys 1 missing \\({name}"):
        load_lora(unet, {key: value for key, value in state.items() if key != name})
    with pytest.raises(WeightsError, match=r"lora: keys 1 unexpected \(to_another"):
        load_lora(unet, state | {"to_another": torch.zeros(1)})
    with pytest.raises(WeightsError, match=f"lora: keys 1 of another shape \\({name}"):
        load_lora(unet, state | {name: torch.zeros(1)})
    assert set(lora_state(unet)) == set(state)


def test_a_network_without_lora_rejects_lora_keys(tiny: Preset) -> None:
    unet = build_denoising_unet(tiny)
    state = unet.state_dict()
    add_lora(unet, 2, 2)

    with pytest.raises(WeightsError, match="keys .* missing .* unexpected"):
        load_strictly(unet, state, "denoising_unet")
