"""Files of a run: their access rights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tcan_core.training.checkpoint import export_part


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_exported_parts_have_the_modes_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        export_part(tmp_path / "lora.safetensors", {"weight": torch.zeros(2)})
    finally:
        os.umask(before)

    assert (tmp_path / "lora.safetensors").stat().st_mode & 0o777 == mode
