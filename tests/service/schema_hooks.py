"""Real media in the place of random bytes, so that generated requests also make jobs.

By hand: `SCHEMATHESIS_HOOKS=tests.service.schema_hooks schemathesis run URL/openapi.json`.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import HookContext
from schemathesis.transport.serialization import Binary

from tests import samples


@cache
def media() -> dict[str, bytes]:
    """A picture and a video by the parts that take them."""
    with tempfile.TemporaryDirectory() as folder:
        return {"image": samples.png(), "driving": samples.video(Path(folder))}


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Replace the files of two in three bodies; the rest shows what is done with random bytes."""
    path = "" if context.operation is None else context.operation.path
    if path not in ("/animate", "/poses") or not isinstance(body, dict):
        return body
    given = {name: value.data for name, value in body.items() if isinstance(value, Binary)}
    if sum(map(len, given.values())) % 3 == 2:
        return body
    return body | {name: Binary(content) for name, content in media().items() if name in given}
