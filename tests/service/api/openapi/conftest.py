"""The OpenAPI document of an app that is not started."""

from __future__ import annotations

from typing import Any

import pytest

from service.api.app import create_app
from service.settings import Settings


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document; no service is started."""
    return create_app(Settings(data=tmp_path_factory.mktemp("data") / "data")).openapi()
