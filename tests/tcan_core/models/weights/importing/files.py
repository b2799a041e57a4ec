"""Weight files in all formats for a preset, at any widths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tcan_core.models.weights.importing.expected import expected_shapes, unread_by_reference
from tcan_core.models.weights.presets import Preset
from tests.tcan_core import foreign
from tests.tcan_core.foreign import State

Fill = Callable[..., Tensor]

# Modules that LCM-LoRA adapts.
LCM_MODULES = (
    r"to_[qkv]$|to_out\.0$|proj_in$|proj_out$|ff\.net\.0\.proj$|ff\.net\.2$|conv1$|conv2$|"
    r"conv_shortcut$|samplers\.0\.conv$|time_emb_proj$"
)


def shared(*shape: int) -> Tensor:
    """Return zeros that take no memory."""
    return torch.zeros(1, dtype=torch.float16).expand(shape)


def part_state(preset: Preset, part: str, fill: Fill) -> State:
    """Return the weights of a part under our key names."""
    return {key: fill(*shape) for key, shape in expected_shapes(preset, part).items()}


@dataclass(frozen=True)
class Format:
    """A file in one of the formats.

    Attributes:
        state: the content of the file.
        parts: the expected imported weights, by part.
    """

    state: State
    parts: dict[str, State]


def make(name: str, preset: Preset, fill: Fill) -> Format:
    """Make a file in a format for a preset."""
    return FORMATS[name](preset, fill)


def without_mid(preset: Preset) -> Preset:
    """Return the preset with motion modules like AnimateDiff v1 and v3."""
    part = preset.parts["motion_modules"]
    config = part.config | {"use_motion_mid_block": False}
    return replace(preset, parts=preset.parts | {"motion_modules": replace(part, config=config)})


def as_official(preset: Preset, blocks: list[int]) -> Preset:
    """Return the preset like the official code, with the ControlNet's modules in some blocks."""
    moving = without_mid(preset)
    part = replace(
        preset.parts["controlnet_motion_modules"],
        config={"down_blocks": blocks, "mid_block": False},
    )
    return replace(
        moving,
        norm_grouping="official",
        parts=moving.parts | {"controlnet_motion_modules": part},
    )


def _ldm(preset: Preset, fill: Fill, with_vae: bool) -> Format:
    parts = {"denoising_unet": part_state(preset, "denoising_unet", fill)}
    layers = preset.parts["denoising_unet"].config["layers_per_block"]
    state = foreign.ldm_unet(parts["denoising_unet"], layers, "model.diffusion_model.")
    state |= {"betas": torch.zeros(1000), "alphas_cumprod": torch.zeros(1000)}
    if preset.parts["text_encoder"].config:
        parts["text_encoder"] = part_state(preset, "text_encoder", fill)
        state |= foreign.ldm_text_encoder(parts["text_encoder"])
    if with_vae:
        parts["vae"] = part_state(preset, "vae", fill)
        state |= foreign.ldm_vae(parts["vae"])
    return Format(state, parts)


def _ldm_vae(preset: Preset, fill: Fill) -> Format:
    vae = part_state(preset, "vae", fill)
    return Format(foreign.ldm_vae(vae, "") | {"loss.logvar": torch.zeros(())}, {"vae": vae})


def _ldm_controlnet(preset: Preset, fill: Fill) -> Format:
    state = part_state(preset, "controlnet", fill)
    layers = preset.parts["controlnet"].config["layers_per_block"]
    return Format(foreign.ldm_controlnet(state, layers), {"controlnet": state})


def _animatediff(preset: Preset, fill: Fill) -> Format:
    state = part_state(preset, "motion_modules", fill)
    positions = preset.max_context_size
    return Format(foreign.animatediff(state, positions), {"motion_modules": state})


def _official_unet(preset: Preset, fill: Fill, motion: bool) -> Format:
    names = ("denoising_unet", "lora", *(("motion_modules",) if motion else ()))
    parts = {name: part_state(preset, name, fill) for name in names}
    state = foreign.peft_wrapped(parts["denoising_unet"], parts["lora"])
    if motion:
        state |= foreign.animatediff(parts["motion_modules"], preset.max_context_size)
    return Format(state, parts)


def _official_reference(preset: Preset, fill: Fill) -> Format:
    full_state = part_state(preset, "reference_unet", fill)
    unread_keys = unread_by_reference(preset, full_state)
    state = {key: value for key, value in full_state.items() if key not in unread_keys}
    zeros = {key: torch.zeros_like(full_state[key]) for key in unread_keys}
    return Format(state, {"reference_unet": state | zeros})


def _official_controlnet(preset: Preset, fill: Fill) -> Format:
    spatial = part_state(preset, "controlnet", fill)
    motion = part_state(preset, "controlnet_motion_modules", fill)
    state = spatial | foreign.animatediff(motion, preset.max_context_size)
    return Format(state, {"controlnet": spatial, "controlnet_motion_modules": motion})


def _lora(
    preset: Preset, fill: Fill, save: Callable[[Mapping[str, Tensor]], State], pattern: str
) -> Format:
    unet = expected_shapes(preset, "denoising_unet")
    lora = foreign.lora_for(unet, 4, fill, pattern)
    return Format(save(lora), {"loras/file": lora})


def _peft(lora: Mapping[str, Tensor]) -> State:
    return {f"base_model.model.{key}": value for key, value in lora.items()}


def _diffusers_vae(preset: Preset, fill: Fill) -> Format:
    vae = part_state(preset, "vae", fill)
    return Format(foreign.old_diffusers_vae(vae), {"vae": vae})


def _complete_part(part: str) -> Callable[[Preset, Fill], Format]:
    def make_part(preset: Preset, fill: Fill) -> Format:
        state = part_state(preset, part, fill)
        return Format(dict(state), {part: state})

    return make_part


ATTENTION = r"attentions.*(to_[qkv]|to_out\.0)$"

FORMATS: dict[str, Callable[[Preset, Fill], Format]] = {
    "unet": _complete_part("denoising_unet"),
    "vae": _complete_part("vae"),
    "old-vae": _diffusers_vae,
    "tiny-vae": _complete_part("preview_decoder"),
    "controlnet": _complete_part("controlnet"),
    "motion-adapter": _complete_part("motion_modules"),
    "ldm": lambda preset, fill: _ldm(preset, fill, True),
    "ldm-without-vae": lambda preset, fill: _ldm(preset, fill, False),
    "ldm-vae": _ldm_vae,
    "ldm-controlnet": _ldm_controlnet,
    "animatediff": _animatediff,
    "official-unet-stage1": lambda preset, fill: _official_unet(preset, fill, False),
    "official-unet-stage2": lambda preset, fill: _official_unet(preset, fill, True),
    "official-reference": _official_reference,
    "official-controlnet": _official_controlnet,
    "lcm-lora": lambda preset, fill: _lora(
        preset, fill, lambda lora: foreign.kohya(lora, 4.0), LCM_MODULES
    ),
    "peft-lora": lambda preset, fill: _lora(preset, fill, _peft, LCM_MODULES),
    "diffusers-lora": lambda preset, fill: _lora(
        preset, fill, foreign.old_diffusers_lora, ATTENTION
    ),
}


def kind_of(name: str) -> str:
    """Return the kind that is reported for a format."""
    kinds = {
        "old-vae": "vae",
        "ldm-without-vae": "ldm",
        "official-unet-stage1": "official-unet",
        "official-unet-stage2": "official-unet",
        "official-reference": "official-appearance-encoder",
    }
    return "lora" if re.search("lora$", name) else kinds.get(name, name)


def damage(state: dict[str, Tensor], how: str) -> tuple[dict[str, Tensor], str, str]:
    """Damage a file at one key; also return the names of the key and the fault."""
    keys = [key for key in state if key.endswith("weight") and state[key].dim() > 1]
    key = sorted(keys)[len(keys) // 2]
    rest = {name: value for name, value in state.items() if name != key}
    if how == "removed":
        return rest, key, "missing"
    if how == "renamed":
        return rest | {f"{key}x": state[key]}, f"{key}x", "unexpected"
    return rest | {key: torch.zeros(3, *state[key].shape[1:])}, key, "of another shape"


def assert_reported(
    report: Mapping[str, object], key: str, fault: str, any_of_pair: bool = False
) -> None:
    """Check that a report names only the damaged key, under its fault.

    Args:
        any_of_pair: both keys of a LoRA pair are named, since either may be wrong.
    """
    reported = report[{"of another shape": "mismatched"}.get(fault, fault)]
    keys = [entry.split(":")[0] for entry in reported]  # type: ignore[attr-defined]
    assert keys == [key] or (any_of_pair and key in keys and len(keys) == 2)
