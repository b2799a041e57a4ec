"""Convert MoveNet from the format of TensorFlow.js to ONNX, with weights in half precision.

    python convert_movenet.py model.json OUT.onnx

Called by make_movenet.sh, which installs tf2onnx and what it needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.json_format import MessageToDict
from onnx import helper, numpy_helper
from tensorflow.python.framework import op_def_registry

SMALLEST = 64  # numbers; shorter constants stay as they are


def main() -> None:
    """Convert the model of the command line."""
    model, out = map(Path, sys.argv[1:])
    complete, full = model.with_suffix(".complete.json"), model.with_suffix(".onnx")
    content = json.loads(model.read_text(encoding="utf-8"))
    for node in content["modelTopology"]["node"]:
        add_defaults(node)
    complete.write_text(json.dumps(content), encoding="utf-8")
    command = ["-m", "tf2onnx.convert", "--tfjs", str(complete), "--opset", "13", "--output"]
    subprocess.run([sys.executable, *command, str(full)], check=True)
    network = onnx.load(full)
    halve(network)
    onnx.checker.check_model(network)
    onnx.save(network, out)


def add_defaults(node: dict[str, Any]) -> None:
    """Add the attributes that TensorFlow.js leaves out and tf2onnx asks for."""
    attributes, known = node.setdefault("attr", {}), op_def_registry.get(node["op"])
    for one in known.attr if known else ():
        if one.name not in attributes and one.HasField("default_value"):
            attributes[one.name] = MessageToDict(one.default_value)
    if node["op"] == "_FusedConv2D":
        count = int(attributes["num_args"]["i"])
        attributes["TArgs"] = {"list": {"type": ["DT_FLOAT"] * count}}


def halve(network: Any) -> None:
    """Store large constants in half precision, each with a `Cast` behind it.

    onnxruntime computes the casts once, when it loads the network.

    Raises:
        ValueError: a number would change; those of MoveNet are published in half precision.
    """
    casts = []
    for constant in network.graph.initializer:
        value, name = numpy_helper.to_array(constant), constant.name
        if value.dtype != np.float32 or value.size < SMALLEST:
            continue
        half = value.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), value):
            raise ValueError(f"{name} is not in half precision")
        constant.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        network.graph.node.insert(0, cast)


if __name__ == "__main__":
    main()
