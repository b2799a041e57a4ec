"""Small ONNX files, written byte by byte, so that the `onnx` package is not needed.

Field numbers are those of onnx.proto (ONNX IR version 8, operator set 13).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FLOAT, INT64 = 1, 7
_IR_VERSION, _OPERATOR_SET = 8, 13


@dataclass(frozen=True)
class Node:
    """An operation; attributes are integers or lists of integers."""

    kind: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, int | list[int]] = field(default_factory=dict)


def write_onnx(
    path: Path,
    nodes: Sequence[Node],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
) -> None:
    """Write a model; inputs and outputs are float tensors of the given shapes."""
    graph = b"".join(_message(1, _node(node)) for node in nodes)
    graph += _message(2, b"graph")
    graph += b"".join(_message(5, _tensor(name, value)) for name, value in constants.items())
    graph += b"".join(_message(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_message(12, _value(name, shape)) for name, shape in outputs.items())
    operators = _message(1, b"") + _number(2, _OPERATOR_SET)
    path.write_bytes(_number(1, _IR_VERSION) + _message(7, graph) + _message(8, operators))


def _node(node: Node) -> bytes:
    written = b"".join(_message(1, name.encode()) for name in node.inputs)
    written += _message(2, node.output.encode()) + _message(4, node.kind.encode())
    return written + b"".join(_message(5, _attribute(*item)) for item in node.attributes.items())


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _message(1, name.encode()) + _number(3, value) + _number(20, 2)
    return _message(1, name.encode()) + b"".join(_number(8, one) for one in value) + _number(20, 7)


def _tensor(name: str, value: np.ndarray) -> bytes:
    kind = INT64 if value.dtype == np.int64 else FLOAT
    data = value if kind == INT64 else value.astype("<f4")
    shape = b"".join(_number(1, side) for side in value.shape)
    return shape + _number(2, kind) + _message(8, name.encode()) + _message(9, data.tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    sides = b"".join(_message(1, _number(1, side)) for side in shape)
    return _message(1, name.encode()) + _message(
        2, _message(1, _number(1, FLOAT) + _message(2, sides))
    )


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    written = b""
    while value > 0x7F:
        written += struct.pack("B", value & 0x7F | 0x80)
        value >>= 7
    return written + struct.pack("B", value)
