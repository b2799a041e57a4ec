"""Whether weights fit a network, and which keys do not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tcan_core.errors import WeightsError

NAMED_KEYS = 5


def check_keys(what: str, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Compare a network's weights with those that it should load.

    Raises:
        WeightsError: names missing and unexpected keys, and shapes that differ.
    """
    faults = {
        "missing": sorted(set(own) - set(given)),
        "unexpected": sorted(set(given) - set(own)),
        "of another shape": [k for k in own if k in given and own[k].shape != given[k].shape],
    }
    told = [
        f"{len(keys)} {fault} ({', '.join(keys[:NAMED_KEYS])})"
        for fault, keys in faults.items()
        if keys
    ]
    if told:
        raise WeightsError(f"{what}: keys {'; '.join(told)}")
