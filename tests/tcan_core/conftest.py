"""Fixtures of the model's tests: one thread, and a tiny preset with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tcan_core.models.weights.presets import Preset
from tests.tcan_core.tiny_weights import tiny_preset, write_tiny_weights


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Run torch on one thread, so that sums are reproducible."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> Preset:
    """Return a preset like `mini` with few channels."""
    return tiny_preset()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write random weights for all parts of the tiny preset and return their folder."""
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_weights(folder)
    return folder
