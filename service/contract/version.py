"""The number of the contract between gateways and workers of different releases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

# Goes up by one when a worker of the release before could not do a job that this one makes, or go
# on with what this one prepared: a new kind, a new field, a new meaning of one, another form of the
# files between the stages. A worker does jobs of its own number and of lower ones; a job with a
# higher one waits for a worker that knows it.
CONTRACT = 2
# The contract that brought what `prepare` leaves to `render` into its present form.
PREPARED = 2
# Carried by hints as a header, for whoever looks at the broker: the number of who sent it. What a
# job needs stands in its record.
HEADER = "tcan_contract"


@dataclass(frozen=True)
class Since:
    """Marks a field of `JobParams` or `JobOptions` that came after contract 1.

    At its default it must ask for what workers of earlier contracts do anyway.
    """

    contract: int


def least_contract(*models: BaseModel) -> int:
    """The least contract that a worker must know to do what the models say."""
    return max((since for model in models for since in _in_use(model).values()), default=1)


def stored(model: BaseModel) -> str:
    """The model as JSON for a record, such as whoever knows its `least_contract` can read.

    Releases before contract 2 refuse names that they do not know; so fields of later contracts are
    left out where nobody uses them.
    """
    return model.model_dump_json(exclude=_later(type(model)).keys() - _in_use(model).keys())


@cache
def _later(kind: type[BaseModel]) -> dict[str, int]:
    """The fields that came after contract 1, with the contracts that brought them."""
    return {
        name: mark.contract
        for name, field in kind.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Since)
    }


def _in_use(model: BaseModel) -> dict[str, int]:
    """Those of them that do not stand at their defaults."""
    fields = type(model).model_fields
    return {
        name: since
        for name, since in _later(type(model)).items()
        if getattr(model, name) != fields[name].get_default(call_default_factory=True)
    }
