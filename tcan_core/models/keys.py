"""How keys of weights that do not fit are told."""

from __future__ import annotations

from collections.abc import Sequence

NAMED_KEYS = 5


def key_report(
    what: str, missing: Sequence[str], unexpected: Sequence[str], reshaped: Sequence[str] = ()
) -> str:
    """Return one sentence with the numbers of keys and the first names of each kind."""
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    told = [f"{len(keys)} {kind} ({', '.join(keys[:NAMED_KEYS])})" for kind, keys in kinds if keys]
    return f"{what}: keys {'; '.join(told)}"
