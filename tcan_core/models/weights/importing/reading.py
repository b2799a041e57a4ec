"""Reading of a user's file or folder of weights, without executing code from it.

safetensors contain no code. All other formats are pickles and are read with `weights_only=True`,
which accepts only tensors and plain containers.
"""

from __future__ import annotations

import json
import pickle  # nosec B403
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tcan_core.errors import WeightsError

PICKLES = (".ckpt", ".pth", ".pt", ".bin")
SAFETENSORS = ".safetensors"
COMPONENTS = ("unet", "vae", "text_encoder", "controlnet", "motion_adapter")
_WRAPPERS = ("state_dict", "module", "model")


@dataclass(frozen=True)
class Source:
    """The weights of one file, or of one folder in diffusers' layout.

    Attributes:
        tensors: weights by the file's keys, read from disk on use.
        metadata: metadata of the file, or configuration of the folder.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read_sources(path: Path) -> list[Source]:
    """Read a file, a folder of one model, or a folder of a whole pipeline.

    Raises:
        WeightsError: there are no readable weights, or a pickle contains more than weights.
    """
    if not path.exists():
        raise WeightsError(f"{path}: file not found")
    if path.is_file():
        tensors, metadata = _read_file(path)
        return [Source(path, tensors, metadata)]
    components = [path / name for name in COMPONENTS if _weight_files(path / name)]
    if components and not _weight_files(path):
        return [_read_folder(component) for component in components]
    return [_read_folder(path)]


def _read_folder(folder: Path) -> Source:
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, Any] = {}
    files = _weight_files(folder)
    if not files:
        raise WeightsError(
            f"{folder}: no weights found; expected *{SAFETENSORS} or *.bin as diffusers saves "
            f"them, or one of the folders {', '.join(COMPONENTS)}"
        )
    for file in files:
        file_tensors, file_metadata = _read_file(file)
        tensors |= file_tensors
        metadata |= file_metadata
    for name in ("config.json", "adapter_config.json"):
        if (folder / name).is_file():
            metadata |= _read_json(folder / name)
    return Source(folder, tensors, metadata)


def _weight_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder: all shards, or the preferred single file."""
    indices = sorted(folder.glob("*.index*.json"), key=_preference)
    if indices:
        names = sorted(set(_read_json(indices[0]).get("weight_map", {}).values()))
        outside = [name for name in names if Path(name).name != name]
        if outside:
            raise WeightsError(
                f"{indices[0]}: shards must be in its folder, but it names {', '.join(outside)}"
            )
        return [folder / name for name in names]
    files = [*folder.glob(f"*{SAFETENSORS}"), *folder.glob("*.bin")]
    return sorted(files, key=_preference)[:1]


def _preference(path: Path) -> tuple[bool, int, str]:
    """Return a sort key: safetensors first, then shorter names, without `fp16` or `non_ema`."""
    return "safetensors" not in path.name, len(path.name), path.name


def _read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise WeightsError(f"{path}: file not found")
    if path.suffix == SAFETENSORS:
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return _read_pickle(path)
    allowed = ", ".join((SAFETENSORS, *PICKLES))
    raise WeightsError(f"{path}: unsupported file type; supported are {allowed}, or a folder")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        content = _load_weights_only(path)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, the pickle contains more than weights ({_reason(error)}); "
            "convert it to safetensors with a program that you trust"
        ) from error
    except Exception as error:  # torch raises many types for files that are not pickles
        raise WeightsError(f"{path}: not a weights file ({_reason(error)})") from error
    state, metadata = content, dict[str, Any]()
    while isinstance(state, Mapping) and not _holds_tensors(state):
        inner = next((state[name] for name in _WRAPPERS if name in state), None)
        if inner is None:
            raise WeightsError(f"{path}: no weights found; its keys are {list(state)[:5]}")
        metadata |= {str(key): value for key, value in state.items() if key not in _WRAPPERS}
        state = inner
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: expected a mapping of weights, got {type(state).__name__}")
    return {str(k): v for k, v in state.items() if isinstance(v, Tensor)}, metadata


def _load_weights_only(path: Path) -> Any:
    """Read a pickle's weights; the old format without a zip archive cannot be memory-mapped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols; unreadable files raise anyway
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
        return torch.load(path, map_location="cpu", weights_only=True)


def _holds_tensors(state: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in state.values())


def _reason(error: Exception) -> str:
    """Return the cause from torch's long error message."""
    cause = re.search(r"(?i)unsupported \w+:? [^\n]*?(?= was not|\n|$)", str(error))
    lines = str(error).strip().splitlines()
    return cause.group() if cause else (lines or [type(error).__name__])[0]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: expected a JSON object")
    return content
