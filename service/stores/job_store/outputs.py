"""The outputs of a job in its record.

Gateways of earlier releases of contract 3 refuse a record with other names under `outputs` than
theirs, so later outputs are in a field of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from service.contract.job import Output
from service.contract.review import Review

KNOWN = frozenset(Output)
FIRST_OUTPUTS = frozenset(
    (Output.RESULT, Output.POSTER, Output.POSE, Output.MANIFEST, Output.KEYPOINTS)
)


def output_fields(outputs: Mapping[Output, str], review: Review | None) -> dict[str, str]:
    """Return the fields of a record for these object keys and the layout of the review."""
    first = {output: key for output, key in outputs.items() if output in FIRST_OUTPUTS}
    later = {output: key for output, key in outputs.items() if output not in FIRST_OUTPUTS}
    fields = {"outputs": json.dumps(first)}
    fields |= {"later_outputs": json.dumps(later)} if later else {}
    return fields | ({} if review is None else {"review": review.model_dump_json()})


def read_outputs(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs in a record's fields; those of releases after this one are ignored."""
    outputs = fields.get("outputs", {}) | fields.get("later_outputs", {})
    return {name: key for name, key in outputs.items() if name in KNOWN}
