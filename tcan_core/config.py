"""Configuration from YAML as frozen dataclasses; unknown keys and wrong types are rejected."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from media.atomic_write import atomic_write
from tcan_core.errors import ConfigError

T = TypeVar("T")


def load_config(path: Path, kind: type[T], overrides: Sequence[str] = ()) -> T:
    """Read a YAML file into a configuration dataclass.

    Args:
        overrides: values that replace those of the file, such as `run.steps=100`.

    Raises:
        ConfigError: the file is missing or not YAML, or a key is unknown, missing, or of a wrong
            type.
    """
    content = read_yaml(path)
    for text in overrides:
        content = _override(content, text)
    config: T = build(kind, content, str(path))
    return config


def _override(content: Any, text: str) -> Any:
    """Return parsed YAML with the value at a dotted key replaced; missing sections are created."""
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise ConfigError(f"override {text!r}: expected KEY=VALUE, such as run.steps=100")
    try:
        return _replace(content, key.split("."), yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise ConfigError(f"override {text!r}: the value is not YAML ({error})") from error


def _replace(content: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    if not isinstance(content, dict | None):
        raise ConfigError(f"override of {keys[0]}: its section is {content!r}, which has no keys")
    return (content or {}) | {keys[0]: _replace((content or {}).get(keys[0]), keys[1:], value)}


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        ConfigError: the file is missing or not YAML.
    """
    try:
        # Bytes: the YAML parser detects the encoding (UTF-8, or UTF-16 by its byte order mark).
        return yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: file not found") from error
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error


def build(kind: Any, content: Any, where: str) -> Any:
    """Build a dataclass from parsed YAML, strictly."""
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping, got {content!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(content) - set(fields))
    if unknown:
        raise ConfigError(
            f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(fields)}"
        )
    hints = get_type_hints(kind)
    values = {
        name: _convert(hints[name], value, f"{where}: {name}") for name, value in content.items()
    }
    missing = [name for name, f in fields.items() if _is_required(f) and name not in values]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _is_required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def save_config(config: Any, path: Path) -> None:
    """Write the resolved configuration as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)
    with atomic_write(path) as unfinished:
        unfinished.write_text(content, encoding="utf-8")


def _convert(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    if get_origin(hint) is tuple:
        return _convert_tuple(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any:
        return value
    if get_origin(hint) is Literal:
        return _convert_literal(hint, value, where)
    if get_origin(hint) is dict:
        return _convert_dict(hint, value, where)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: expected {hint.__name__}, got {value!r}{_hint(hint, value)}")
    return value


def _hint(hint: Any, value: Any) -> str:
    """Return how to write a number that YAML reads as text, such as 5e-4."""
    number = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", str(value))
    if hint not in (int, float) or not isinstance(value, str) or number is None:
        return ""
    whole, fraction, sign, exponent = number.groups()
    if hint is int:
        return f", which YAML reads as text; write {float(value):.0f}"
    return f", which YAML reads as text; write {whole}{fraction or '.0'}e{sign or '+'}{exponent}"


def _convert_literal(hint: Any, value: Any, where: str) -> Any:
    if value not in get_args(hint):
        allowed = ", ".join(repr(option) for option in get_args(hint))
        raise ConfigError(f"{where}: expected one of {allowed}, got {value!r}")
    return value


def _convert_dict(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping, got {value!r}")
    return {
        name: _convert(get_args(hint)[1], item, f"{where}.{name}") for name, item in value.items()
    }


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    inner = get_args(hint)
    if not isinstance(value, list) or (inner[-1] is not Ellipsis and len(value) != len(inner)):
        raise ConfigError(f"{where}: expected a list of {len(inner)} values, got {value!r}")
    return tuple(_convert(inner[0], item, where) for item in value)
