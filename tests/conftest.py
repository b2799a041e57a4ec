"""What every test shares."""

from __future__ import annotations

from pathlib import Path

import pytest

# Fixtures that start real servers: Valkey, S3.
pytest_plugins = ["tests.servers"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]
