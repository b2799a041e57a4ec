"""Fixtures: the embedded service, as the tests of the command line start it."""

from tests.cli.conftest import start_up, up

__all__ = ["start_up", "up"]
