"""Fixtures: jobs of a worker on real stores."""

from __future__ import annotations

from tests.worker.conftest import desk as desk
from tests.worker.conftest import hints as hints
from tests.worker.conftest import objects as objects
from tests.worker.conftest import runner as runner
from tests.worker.conftest import settings as settings
