"""The tiny pipeline of the tests of pipelines."""

from __future__ import annotations

from tests.tcan_core.pipelines.conftest import detector, pair, pipeline, scene

__all__ = ["detector", "pair", "pipeline", "scene"]
