"""Weights in the formats of other programs.

The key names are written from those programs, independently of the converters that are tested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def ldm_unet_name(key: str, layers: int, attending: set[int]) -> str:
    """Name a UNet's or ControlNet's key as LDM does.

    Args:
        layers: resnets per down block.
        attending: up blocks with attention; their upsampler is the third entry.
    """
    module, leaf = key.rsplit(".", 1)
    if module in UNET_ENDS:
        return f"{UNET_ENDS[module]}.{leaf}"
    side, *words = key.split(".")
    if side == "mid_block":
        kind, index, *rest = words
        place = 1 if kind == "attentions" else 2 * int(index)
        return f"middle_block.{place}.{inner(kind, rest)}"
    block, kind, index, *rest = words
    first = int(block) * (layers + 1)
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{first + layers + 1}.0.op.{rest[-1]}"
        return f"input_blocks.{first + 1 + int(index)}.{place_of(kind)}.{inner(kind, rest)}"
    if kind == "upsamplers":
        place = 2 if int(block) in attending else 1
        return f"output_blocks.{first + layers}.{place}.conv.{rest[-1]}"
    return f"output_blocks.{first + int(index)}.{place_of(kind)}.{inner(kind, rest)}"


def place_of(kind: str) -> int:
    return 1 if kind == "attentions" else 0


def inner(kind: str, words: list[str]) -> str:
    return ".".join([RESNET[words[0]], *words[1:]] if kind == "resnets" else words)


def ldm_unet(state: Mapping[str, Tensor], layers: int, prefix: str) -> State:
    """Convert a UNet to the format of Civitai and LDM."""
    attending = {
        int(key.split(".")[1])
        for key in state
        if key.startswith("up_blocks.") and ".attentions." in key
    }
    return {prefix + ldm_unet_name(key, layers, attending): v for key, v in state.items()}


def ldm_controlnet(state: Mapping[str, Tensor], layers: int) -> State:
    """Convert a ControlNet to the format of `control_v11p_sd15_openpose.pth`."""
    hints = 1 + sum(bool(re.fullmatch(r".*embedding\.blocks\.\d+\.bias", key)) for key in state)

    def name(key: str) -> str:
        words = key.split(".")
        if words[0] == "controlnet_cond_embedding":
            places = {"conv_in": 0, "conv_out": 2 * hints}
            place = 2 * (int(words[2]) + 1) if words[1] == "blocks" else places[words[1]]
            return f"input_hint_block.{place}.{words[-1]}"
        if words[0] == "controlnet_down_blocks":
            return f"zero_convs.{words[1]}.0.{words[2]}"
        if words[0] == "controlnet_mid_block":
            return f"middle_block_out.0.{words[1]}"
        return ldm_unet_name(key, layers, set())

    return {f"control_model.{name(key)}": value for key, value in state.items()}


def ldm_vae(state: Mapping[str, Tensor], prefix: str = "first_stage_model.") -> State:
    """Convert a VAE to the format of Civitai and LDM; attentions are 1x1 convolutions."""
    levels = 1 + max(int(key.split(".")[2]) for key in state if ".down_blocks." in key)
    renamed = {}
    for key, tensor in state.items():
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", key)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(
            r"up_blocks\.(\d+)\.", lambda match: f"up.{levels - 1 - int(match[1])}.", name
        )
        name = name.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
        name = re.sub(
            r"mid_block\.block\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name
        )
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        value = tensor
        if "mid_block.attentions.0." in name:
            head, rest = name.split("mid_block.attentions.0.")
            module, leaf = rest.rsplit(".", 1)
            name = f"{head}mid.attn_1.{VAE_ATTENTION[module]}.{leaf}"
            value = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
        renamed[prefix + name] = value
    return renamed


def old_diffusers_vae(state: Mapping[str, Tensor]) -> State:
    """Convert a VAE to the format of diffusers before 2023, as in sd-vae-ft-mse on the hub."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for key, value in state.items():
        for new, before in old.items():
            if ".attentions." in key:
                key = key.replace(f".{new}.", f".{before}.")
        renamed[key] = value
    return renamed


def ldm_text_encoder(state: Mapping[str, Tensor]) -> State:
    """Convert a CLIP text encoder to the format of Civitai and LDM."""
    prefix = "cond_stage_model.transformer.text_model."
    renamed = {prefix + key: value for key, value in state.items()}
    return renamed | {f"{prefix}embeddings.position_ids": torch.arange(77)[None]}


def animatediff(state: Mapping[str, Tensor], positions: int) -> State:
    """Convert motion modules to the format of `mm_sd_v15_v2.ckpt`, positions included."""
    renamed = {}
    for key, value in state.items():
        name = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", key)
        for new, before in (
            (".norm1.", ".norms.0."),
            (".norm2.", ".norms.1."),
            (".norm3.", ".ff_norm."),
            (".attn1.", ".attention_blocks.0."),
            (".attn2.", ".attention_blocks.1."),
        ):
            name = name.replace(new, before)
        renamed[name] = value
        if name.endswith("to_q.weight"):
            table = torch.zeros(1).expand(1, positions, value.shape[1])
            renamed[name.replace("to_q.weight", "pos_encoder.pe")] = table
    return renamed


def peft_wrapped(unet: Mapping[str, Tensor], lora: Mapping[str, Tensor]) -> State:
    """Convert a UNet to the official training format, with adapted layers in peft's wrappers."""
    adapted = {re.sub(r"\.lora_[AB]\.weight", "", key) for key in lora}
    renamed = {
        re.sub(r"\.weight$", ".base_layer.weight", key)
        if key.removesuffix(".weight") in adapted
        else key: value
        for key, value in unet.items()
    }
    return renamed | {key.replace(".weight", ".default.weight"): v for key, v in lora.items()}


def kohya(lora: Mapping[str, Tensor], alpha: float) -> State:
    """Convert a LoRA to the format of kohya's scripts, as in LCM-LoRA on the hub."""
    renamed = {}
    for key, value in lora.items():
        module, matrix = re.fullmatch(r"(.+)\.lora_([AB])\.weight", key).groups()  # type: ignore[union-attr]
        name = f"lora_unet_{module.replace('.', '_')}"
        renamed[f"{name}.lora_{'down' if matrix == 'A' else 'up'}.weight"] = value
        renamed[f"{name}.alpha"] = torch.tensor(alpha)
    return renamed


def old_diffusers_lora(lora: Mapping[str, Tensor]) -> State:
    """Convert a LoRA to the format of diffusers' attention processors."""

    def name(key: str) -> str:
        key = key.replace(".lora_A.", "_lora.down.").replace(".lora_B.", "_lora.up.")
        return "unet." + re.sub(r"\.to_(q|k|v|out)(\.0)?_lora", r".processor.to_\1_lora", key)

    return {name(key): value for key, value in lora.items()}


def lora_for(
    shapes: Mapping[str, torch.Size], rank: int, fill: Callable[..., Tensor], pattern: str
) -> State:
    """Make a LoRA in our format for all modules whose name matches the pattern."""
    state = {}
    for key, shape in shapes.items():
        module = key.removesuffix(".weight")
        if key.endswith(".weight") and len(shape) > 1 and re.search(pattern, module):
            state[f"{module}.lora_A.weight"] = fill(rank, *shape[1:])
            state[f"{module}.lora_B.weight"] = fill(shape[0], rank, *(1 for _ in shape[2:]))
    return state
