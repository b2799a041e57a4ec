"""Files with the names and shapes of the published ones, made of few numbers."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.weights.builders import build_part, build_reference_unet
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.presets import Preset, load_preset
from tests.tcan_core.foreign import animatediff, kohya, old_diffusers_vae

LARGEST_TENSOR, LCM_RANK = 49408 * 768, 64  # the token embedding
Shapes = dict[str, tuple[int, ...]]
Numbers = NDArray[np.float16]


def published_files(preset: Preset) -> dict[HubFile, Shapes]:
    """Return the names and shapes in each file that a preset pulls."""
    files: dict[HubFile, Shapes] = {}
    with torch.device("meta"):
        for name, part in preset.parts.items():
            if part.pull is not None:
                state = _published_state(preset, name)
                shapes = {key: tuple(value.shape) for key, value in state.items()}
                files[part.pull] = files.get(part.pull, {}) | shapes
        for lora in preset.loras.values():
            if lora.pull is not None:
                state = kohya(_lora_of(build_reference_unet(preset)), LCM_RANK)
                files[lora.pull] = {key: tuple(value.shape) for key, value in state.items()}
    return files


def _published_state(preset: Preset, part: str) -> Mapping[str, Tensor]:
    """Return a part's weights under the names of its published file."""
    pull = preset.parts[part].pull
    assert pull is not None
    if pull.repo.startswith("guoyww/"):  # the file has a mid block, whatever the preset uses
        preset = load_preset("sd15")
    network = build_part(preset, part)
    assert network is not None
    state: Mapping[str, Tensor] = network.state_dict()
    if part == "vae":
        return old_diffusers_vae(state)
    if part == "text_encoder":
        positions = {"embeddings.position_ids": torch.empty(1, 77)}
        return {f"text_model.{key}": value for key, value in {**state, **positions}.items()}
    if part == "reference_unet" and not pull.repo.startswith("SG161222/"):
        return {key: value for key, value in state.items() if not key.startswith(UNUSED)}
    if part == "motion_modules" and pull.file.endswith((".pth", ".ckpt")):
        motion = {key: value for key, value in state.items() if not key.endswith(".pe")}
        state = animatediff(motion, preset.max_context_size)
        if pull.repo == "wangfuyun/AnimateLCM":
            state = {key: value for key, value in state.items() if not key.endswith(".pe")}
    if pull.repo == "zcxu-eric/MagicAnimate" and pull.file.endswith(".ckpt"):
        return {f"module.{key}": value for key, value in state.items()}
    return state


# What the reference's published files leave out, since its output is not used.
UNUSED = ("conv_norm_out.", "conv_out.")


def _lora_of(unet: nn.Module) -> dict[str, Tensor]:
    """Return a LoRA on every layer of the blocks, as LCM-LoRA is."""
    lora: dict[str, Tensor] = {}
    for name, module in unet.named_modules():
        if "_block" in name and isinstance(module, nn.Linear | nn.Conv2d):
            rows, columns, *kernel = module.weight.shape
            lora[f"{name}.lora_A.weight"] = torch.empty(LCM_RANK, columns, *kernel)
            lora[f"{name}.lora_B.weight"] = torch.empty(rows, LCM_RANK, *[1 for _ in kernel])
    return lora


def some_numbers() -> Numbers:
    """Return numbers of the size of weights, as many as the largest tensor has."""
    draws = np.random.default_rng(0).standard_normal(LARGEST_TENSOR, np.float32)
    return (0.02 * draws).astype(np.float16)


def write_file(path: Path, shapes: Shapes, numbers: Numbers) -> memoryview:
    """Write a file whose tensors begin with the same numbers, and return its content.

    Weights of norms are ones, so that signals keep their size. In the format of torch the tensors
    share their numbers: the file has a hundredth of its real size.
    """
    ones = np.ones(
        max((prod(shape) for shape in shapes.values() if len(shape) == 1), default=0), np.float16
    )
    chosen = {
        key: (ones if len(shape) == 1 and key.endswith("weight") else numbers)[: prod(shape)]
        for key, shape in shapes.items()
    }
    if path.suffix == ".safetensors":
        _write_safetensors(path, shapes, chosen)
    else:
        sources = {id(array): torch.from_numpy(array) for array in (ones, numbers)}
        state = {
            key: sources[id(array.base)][: len(array)].view(shapes[key])
            for key, array in chosen.items()
        }
        torch.save(state, path)
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _write_safetensors(path: Path, shapes: Shapes, content: Mapping[str, Numbers]) -> None:
    """Write tensors one by one, without a copy of all in memory."""
    header, end = {}, 0
    for key, array in content.items():
        offsets, end = [end, end + array.nbytes], end + array.nbytes
        header[key] = {"dtype": "F16", "shape": shapes[key], "data_offsets": offsets}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in content.values():
            file.write(array.data)
