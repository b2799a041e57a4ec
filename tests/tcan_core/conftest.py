"""What the tests of the model share: one thread, and a tiny preset with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tcan_core.models.weights.presets import Preset
from tests.tcan_core.tiny_weights import tiny_preset, write_tiny_weights


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> Preset:
    """A preset of the shape of `mini`, a few channels wide."""
    return tiny_preset()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights for every part of the tiny preset."""
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_weights(folder)
    return folder
