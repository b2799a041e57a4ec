"""Inheritance of presets: a YAML merged over the preset that it extends.

A part that is null there is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcan_core.config import read_yaml
from tcan_core.errors import ConfigError

FindPreset = Callable[[str, Path | None], Path]
MAX_DEPTH = 8

# Keys that select a part's weights; a part with one of them does not inherit its base's weights.
_WEIGHTS = ("file", "pull")
_OF_WEIGHTS = ("file", "sha256", "source", "pull", "stores")


def preset_content(path: Path, find: FindPreset, depth: int = 0) -> Any:
    """Read a preset's YAML, merged over the presets that it extends.

    Args:
        find: returns the YAML of a preset by name, or by a path relative to a folder.
        depth: number of presets above this one, used to detect cycles.

    Raises:
        ConfigError: a file is missing or not YAML, or presets extend each other in a cycle.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        return content
    for section in ("parts", "loras"):
        entries = content.get(section)
        if isinstance(entries, dict):
            content[section] = {
                name: _with_store(name, entry, path.parent, str(content.get("name", "")))
                for name, entry in entries.items()
            }
    base = content.get("extends")
    if not isinstance(base, str) or not base:
        return content
    if not content.get("name"):
        raise ConfigError(f"{path}: a preset that extends {base!r} needs a name of its own")
    if depth == MAX_DEPTH:
        raise ConfigError(
            f"{path}: extends {base!r}, but more than {MAX_DEPTH} presets extend each other; "
            "remove the cycle"
        )
    base_path = find(base, path.parent)
    merged = _merged(preset_content(base_path, find, depth + 1), content, base_path.parent)
    return _with_own_store(merged)


def _with_own_store(content: dict[str, Any]) -> dict[str, Any]:
    """Let every part look for weights in this preset's own store before its bases' stores."""
    for section in ("parts", "loras"):
        for entry in content.get(section, {}).values():
            if isinstance(entry, dict):
                entry["stores"] = [content["name"], *entry.get("stores", ())]
    return content


def _with_store(name: str, entry: Any, folder: Path, store: str) -> Any:
    """Return a part's entry with its store and its digest from `SHA256SUMS`."""
    if not isinstance(entry, dict):
        return entry
    sums = _sums(folder)
    file = entry.get("file") or f"{name}.safetensors"
    locked = {"file": file, "sha256": sums[file]} if file in sums else {}
    return {"store": store, "stores": [entry.get("store", store)]} | entry | locked


def _sums(folder: Path) -> dict[str, str]:
    sums = folder / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    return {file.removeprefix("*"): digest for digest, file in (line.split() for line in lines)}


def _merged(base: Any, own: dict[str, Any], base_folder: Path) -> dict[str, Any]:
    merged: dict[str, Any] = {**base, **own}
    if isinstance(base.get("sampling"), dict) and isinstance(own.get("sampling"), dict):
        merged["sampling"] = base["sampling"] | own["sampling"]
    for section in ("parts", "loras"):
        before = {
            name: _with_absolute_file(entry, base_folder)
            for name, entry in base.get(section, {}).items()
        }
        after = own.get(section, {})
        if isinstance(after, dict):
            entries = before | {
                name: _merged_part(before.get(name), entry) for name, entry in after.items()
            }
            merged[section] = {name: entry for name, entry in entries.items() if entry is not None}
    return merged


def _with_absolute_file(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a base's entry with a file path that is valid from any folder."""
    return entry | {"file": str(folder / entry["file"])} if entry.get("file") else entry


def _merged_part(base: dict[str, Any] | None, own: Any) -> Any:
    if base is None or not isinstance(own, dict):
        return own
    other_weights = any(key in own for key in _WEIGHTS)
    merged = {
        **{key: value for key, value in base.items() if not (other_weights and key in _OF_WEIGHTS)},
        **{key: own[key] for key in own if other_weights or key not in ("store", "stores")},
    }
    if isinstance(base.get("config"), dict) and isinstance(own.get("config"), dict):
        merged["config"] = base["config"] | own["config"]
    return merged
