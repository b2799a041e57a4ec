"""Fixtures: a gateway on real stores, as the tests of the service have it."""

from tests.service.conftest import folder_settings, settings, shared_decoder

__all__ = ["folder_settings", "settings", "shared_decoder"]
