from pathlib import Path

import pytest

from tcan_core.puppets.pairs import render_pair


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of puppets, as `tcan puppets render` writes them; the third of crossed bodies."""
    root = tmp_path_factory.mktemp("pairs")
    for index, proportions in enumerate(["any", "any", "crossed"]):
        render_pair(root / f"{index:04d}", 1_000_000 + index, 5, 32, proportions)
    return root
