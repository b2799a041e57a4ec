"""Configuration is read from YAML strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from tcan_core.config import build, load_config, save_config
from tcan_core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    span: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Outer:
    steps: int
    kind: Literal["round", "square"] = "round"
    note: str | None = None
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def test_full_configuration_is_saved_and_loaded(tmp_path: Path) -> None:
    config = Outer(3, "square", "a note", Inner(1.5, (0.25, 2.0)), (1, 2, 3), {"a": [1, None]})

    save_config(config, tmp_path / "runs" / "config.yaml")

    assert load_config(tmp_path / "runs" / "config.yaml", Outer) == config


def test_integers_are_converted_for_float_fields() -> None:
    built = build(Inner, {"rate": 2, "span": [0, 1]}, "here")

    assert isinstance(built.rate, float)
    assert built == Inner(2.0, (0.0, 1.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "here: missing steps"),
        ({"steps": 1, "stpes": 2}, "here: unknown key stpes; known are steps, kind, note"),
        ({"steps": "many"}, "here: steps: expected int, got 'many'"),
        ({"steps": True}, "here: steps: expected int, got True"),
        ({"steps": 1.5}, r"here: steps: expected int, got 1.5"),
        ({"steps": 1, "kind": "oval"}, "here: kind: expected one of 'round', 'square', got 'oval'"),
        ({"steps": 1, "inner": {"rate": "1e-3x"}}, "here: inner: rate: expected float"),
        ({"steps": 1, "inner": [1]}, r"here: inner: expected a mapping, got \[1\]"),
        ({"steps": 1, "inner": {"span": [1]}}, "here: inner: span: expected a list of 2 values"),
        ({"steps": 1, "sizes": ["1"]}, "here: sizes: expected int, got '1'"),
        ({"steps": 1, "options": 3}, "here: options: expected a mapping, got 3"),
    ],
)
def test_error_names_the_key_and_the_problem(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Outer, content, "here")


def test_null_is_allowed_for_optional_values() -> None:
    assert build(Outer, {"steps": 1, "note": None}, "here").note is None


def test_error_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing.yaml"):
        load_config(tmp_path / "nothing.yaml", Outer)


def test_yaml_encodings_are_read_and_others_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("steps: 3\nnote: größer\n".encode(encoding))
        assert load_config(path, Outer) == Outer(3, note="größer")
    for binary in (b"\x00\x01steps", "steps: 3  # größer".encode("latin-1"), b"\xff\xd8\xff\xe0"):
        path.write_bytes(binary)
        with pytest.raises(ConfigError, match=r"c\.yaml: "):
            load_config(path, Outer)


def test_overrides_replace_values_and_create_sections(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("steps: 3\nnote: one\ninner: {rate: 0.25}\n")

    config = load_config(
        path, Outer, ["steps=5", "inner.span=[0, 2]", "note=null", "options.a.b=1.0e-3"]
    )

    assert config == Outer(5, inner=Inner(0.25, (0.0, 2.0)), options={"a": {"b": 0.001}})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", "override 'steps': expected KEY=VALUE, such as run.steps=100"),
        ("inner..rate=1", "expected KEY=VALUE"),
        ("inner.rat=1", "inner: unknown key rat; known are rate, span"),
        ("steps.few=1", "override of few: its section is 3, which has no keys"),
        ("inner.rate=5e-4", "expected float, got '5e-4', which YAML reads as text; write 5.0e-4"),
        ("sizes=[1", "the value is not YAML"),
    ],
)
def test_wrong_override_is_named(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("steps: 3\n")

    with pytest.raises(ConfigError, match=message):
        load_config(path, Outer, [override])
