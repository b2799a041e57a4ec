"""Copy trained parts into a shipped preset in half precision; write their digests to SHA256SUMS.

python tools/publish_preset.py runs/mini/parts tcan_core/presets/mini
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from media.digest import file_sha256
from tcan_core.training.checkpoint import export_part


def main() -> None:
    """Convert every safetensors file of the first folder into the second."""
    trained, preset = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(trained.glob("*.safetensors"))
    if not files:
        sys.exit(f"{trained}: no safetensors files")
    for file in files:
        export_part(preset / file.name, load_file(file), torch.float16)
    sums = [f"{file_sha256(preset / file.name)}  {file.name}\n" for file in files]
    (preset / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    total = sum((preset / file.name).stat().st_size for file in files)
    print(f"{preset}: {len(files)} parts, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
