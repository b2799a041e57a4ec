"""Fixtures and hooks of all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Real servers (Valkey, S3), and the reaper that kills them if the run is interrupted.
pytest_plugins = ["tests.servers", "tests.reaper"]

TESTS = Path(__file__).resolve().parent
# Folders whose tests mostly wait for other processes. They run first: while they wait, tests that
# compute keep the cores busy.
WAITING = ("chaos", "worker", "cli", "clients", "service", "hostile")


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same cases in every run, and let Ctrl-C reach the processes that tests start.

    New cases: `--hypothesis-profile default`. A shell lets its background commands ignore
    SIGINT, and their children would inherit that.
    """
    hypothesis.settings.register_profile("same", derandomize=True)
    if not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("same")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that wait before tests that compute; keep the tests of a file together."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return WAITING.index(folder) if folder in WAITING else len(WAITING)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def no_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use an empty models folder in this process and in those that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCAN_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the values that tests recorded with `record_property`, also from xdist workers."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                terminalreporter.write_sep("-", f"{report.nodeid}: {name}")
                terminalreporter.write_line(str(value))
