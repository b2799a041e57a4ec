"""LoRAs in the key styles of kohya, of diffusers old and new, and of peft, to one style.

What comes out is what `models.stacked` merges: `<module>.lora_A.weight` and `.lora_B.weight` under
the UNet's names, with alpha already in B.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from torch import Size, Tensor

from tcan_core.models.weights.importing.tracing import Tags, Traced, trace
from tcan_core.models.weights.merged_loras import DOWN, UP

_TEXT = ("lora_te_", "lora_te1_", "lora_te2_", "text_encoder.", "base_model.model.text_model.")
_KOHYA = re.compile(r"(?P<module>lora_unet_\w+)\.(?P<leaf>lora_down\.weight|lora_up\.weight|alpha)")
_PEFT = re.compile(
    r"(?:base_model\.model\.)?(?:unet\.)?(?P<module>.+?)"
    r"\.lora_(?P<side>[AB])(?:\.\w+)?\.weight"
)
_LEAVES = ("lora_down.weight", "lora_up.weight")


@dataclass
class LoraKeys:
    """A LoRA's keys, sorted.

    Attributes:
        origins: by the name in our style.
        alphas: the file's key that holds alpha, by module.
        missing: halves of a pair that are not there, by the file's name.
        unexpected: keys of no style that is known.
        ignored: how many belong to the text encoder, which only ever reads the empty prompt.
    """

    origins: dict[str, Traced] = field(default_factory=dict)
    alphas: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    ignored: int = 0


def lora_keys(tensors: Mapping[str, Tensor], layers_per_block: int) -> LoraKeys:
    """Sort a LoRA's keys, whichever style they have.

    Args:
        layers_per_block: of the UNet; LoRAs that count blocks as LDM does are renumbered by it.
    """
    own = {key: value for key, value in tensors.items() if not key.startswith(_TEXT)}
    if any(key.startswith("lora_unet_") for key in own):
        keys = _kohya(own, layers_per_block)
    else:
        keys = _by_modules(own)
    keys.ignored = len(tensors) - len(own)
    return keys


def _kohya(tensors: Mapping[str, Tensor], layers_per_block: int) -> LoraKeys:
    keys = LoraKeys(unexpected=[key for key in tensors if not _KOHYA.fullmatch(key)])
    known = {key: value for key, value in tensors.items() if key not in keys.unexpected}
    for module in sorted({key.split(".")[0] for key in known}):
        lacking = [f"{module}.{leaf}" for leaf in _LEAVES if f"{module}.{leaf}" not in known]
        keys.missing += lacking
        if lacking:
            known = {key: value for key, value in known.items() if key.split(".")[0] != module}
    converted = trace(lambda tags: {"lora": _from_kohya(tags, layers_per_block)}, known)["lora"]
    for key, origin in converted.items():
        keys.origins[key] = origin
        alpha = f"{origin.source.split('.')[0]}.alpha"
        if alpha in known:
            keys.alphas[key.removesuffix(DOWN).removesuffix(UP)] = alpha
    return keys


def _from_kohya(tags: Tags, layers_per_block: int) -> Tags:
    """Let diffusers rename; its own rename of the halves has nothing but tags to work on."""

    class Config:
        pass

    config: Any = Config()
    config.layers_per_block = layers_per_block
    if not tags:
        return {}
    state, _ = StableDiffusionLoraLoaderMixin.lora_state_dict(dict(tags), unet_config=config)
    peft: Tags = convert_unet_state_dict_to_peft(state)  # type: ignore[no-untyped-call]
    return {_plain(key): tag for key, tag in peft.items()}


def _plain(key: str) -> str:
    return key.removeprefix("unet.").replace(".processor.", ".")


def _by_modules(tensors: Mapping[str, Tensor]) -> LoraKeys:
    """The styles of diffusers and peft, in which modules keep their names."""
    keys = LoraKeys()
    for name in tensors:
        (plain,) = convert_unet_state_dict_to_peft({_plain(name): None})  # type: ignore[no-untyped-call]
        match = _PEFT.fullmatch(plain)
        if match is None:
            keys.unexpected.append(name)
            continue
        half = DOWN if match["side"] == "A" else UP
        keys.origins[match["module"] + half] = Traced(name, tensors[name].dim())
    for key, origin in keys.origins.items():
        module, half = key.removesuffix(DOWN).removesuffix(UP), UP if key.endswith(DOWN) else DOWN
        if module + half not in keys.origins:
            keys.missing.append(_other_half(origin.source))
    return keys


def _other_half(name: str) -> str:
    pairs = (("lora_A", "lora_B"), ("down", "up"))
    for one, other in pairs:
        for before, after in ((one, other), (other, one)):
            head, mark, tail = name.rpartition(f"{before}.")
            if mark:
                return f"{head}{after}.{tail}"
    return name


def lora_mismatches(
    keys: LoraKeys, tensors: Mapping[str, Tensor], shapes: Mapping[str, Size]
) -> tuple[list[str], list[str]]:
    """Return the file's keys for which the UNet has no module, and those of another shape.

    Args:
        shapes: of the UNet's weights.
    """
    unknown, differing = [], []
    for key, origin in keys.origins.items():
        module = key.removesuffix(DOWN).removesuffix(UP)
        weight = shapes.get(f"{module}.weight")
        other = keys.origins.get(module + (UP if key.endswith(DOWN) else DOWN))
        if weight is None:
            unknown.append(origin.source)
        elif other is not None and not _fits(key, origin, other, tensors, weight):
            shape, wanted = tuple(tensors[origin.source].shape), tuple(weight)
            differing.append(f"{origin.source}: {shape} for a weight of {wanted}")
    return unknown, differing


def _fits(
    key: str, origin: Traced, other: Traced, tensors: Mapping[str, Tensor], weight: Size
) -> bool:
    value, pair = tensors[origin.source], tensors[other.source]
    if key.endswith(UP):
        return value.shape[0] == weight[0] and value[0].numel() == pair.shape[0]
    return value[0].numel() == weight[1:].numel() and pair[0].numel() == value.shape[0]


def folded(
    keys: LoraKeys, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the LoRA in our style; B is scaled by alpha over rank."""
    common = _alpha_of(facts)
    state = {}
    for key, origin in keys.origins.items():
        value = tensors[origin.source]
        if key.endswith(UP):
            module, rank = key.removesuffix(UP), value[0].numel()
            named = keys.alphas.get(module)
            alpha = float(tensors[named]) if named else common
            value = value if alpha is None else (value.float() * (alpha / rank)).to(value.dtype)
        state[key] = value
    return state


def _alpha_of(facts: Mapping[str, Any]) -> float | None:
    """Alpha of all modules: from peft's configuration or diffusers' metadata; None means rank."""
    said = facts
    if isinstance(facts.get("lora_adapter_metadata"), str):
        said = json.loads(facts["lora_adapter_metadata"])
    alpha = said.get("lora_alpha", said.get("unet.lora_alpha"))
    return None if alpha is None else float(alpha)
