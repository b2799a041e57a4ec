"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

# Fixtures that start real servers: Valkey, S3.
pytest_plugins = ["tests.servers"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def no_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty models folder, also for the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCAN_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests measured, by `record_property`, also where other processes ran them."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                terminalreporter.write_sep("-", f"{report.nodeid}: {name}")
                terminalreporter.write_line(str(value))
