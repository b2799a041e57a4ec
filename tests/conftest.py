"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

# Fixtures that start real servers (Valkey, S3), and what ends them with the run.
pytest_plugins = ["tests.servers", "tests.reaper"]

TESTS = Path(__file__).resolve().parent
# Folders whose tests wait for processes most of their time; the others compute. Beside each other
# they fill the cores, so that waiting comes first and computing is left for the end.
WAITING = ("chaos", "worker", "cli", "service", "hostile")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that wait before those that compute; a file's stay together."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return WAITING.index(folder) if folder in WAITING else len(WAITING)


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
