"""Version of the contract between gateways and workers of different releases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

# Incremented when a worker of the previous release could not process a job of this one or render
# what it prepared: a new kind, a new or changed field, another format of the files between stages.
# A worker processes jobs of its own version and of lower ones; a job of a higher version waits.
CONTRACT = 3
# The contract version that introduced the current format of the output of `prepare`.
PREPARED = 2
# Header of wake-up messages with the sender's version, for debugging; a job's own version is in its
# record.
HEADER = "tcan_contract"


@dataclass(frozen=True)
class Since:
    """Annotation of a field of `JobParams`, `JobOptions` or `JobInputs` added after contract 1.

    The field's default must mean the behaviour of earlier contracts.
    """

    contract: int


@dataclass(frozen=True)
class Formerly:
    """Annotation of a field of `JobParams` that is None for the preset's own value.

    Releases before stored and compared `default` in its place, and refuse None. So do records: a
    default that the caller gave is listed in their field `given`.
    """

    default: Any


def least_contract(*models: BaseModel) -> int:
    """Return the lowest contract version that supports the fields in use."""
    return max((since for model in models for since in _in_use(model).values()), default=1)


def stored(model: BaseModel) -> str:
    """Return the model as JSON that workers of its `least_contract` can read.

    Releases before contract 2 refuse unknown fields, so unused fields of later contracts are left
    out.
    """
    exclude = _later(type(model)).keys() - _in_use(model).keys()
    return _with_former_defaults(model).model_dump_json(exclude=exclude)


def given_defaults(model: BaseModel) -> list[str]:
    """Return the fields with a former default that the caller gave; see `Formerly`."""
    return [n for n, value in _former_defaults(type(model)).items() if getattr(model, n) == value]


def without_former_defaults(
    kind: type[BaseModel], fields: dict[str, Any], given: list[str]
) -> dict[str, Any]:
    """Return a record's fields without the former defaults that nobody gave; see `Formerly`."""
    former = _former_defaults(kind)
    unset = {name for name, value in former.items() if fields.get(name) == value} - {*given}
    return {name: value for name, value in fields.items() if name not in unset}


def comparable(model: BaseModel) -> dict[str, Any]:
    """Return the fields as JSON values, for digests that releases compare with each other.

    Fields that contract 3 or a later one added are left out while they are unused.
    """
    added = {name for name, since in _later(type(model)).items() if since >= 3}
    exclude = added - _in_use(model).keys()
    return _with_former_defaults(model).model_dump(mode="json", exclude=exclude)


def _with_former_defaults(model: BaseModel) -> BaseModel:
    former = _former_defaults(type(model)).items()
    return model.model_copy(update={n: value for n, value in former if getattr(model, n) is None})


@cache
def _former_defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the former defaults of fields that are None now."""
    return {
        name: former.default
        for name, field in kind.model_fields.items()
        for former in field.metadata
        if isinstance(former, Formerly)
    }


@cache
def _later(kind: type[BaseModel]) -> dict[str, int]:
    """Return the fields that were added after contract 1, with their versions."""
    return {
        name: since.contract
        for name, field in kind.model_fields.items()
        for since in field.metadata
        if isinstance(since, Since)
    }


@cache
def _defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of these fields, to compare with."""
    fields = kind.model_fields
    return {name: fields[name].get_default(call_default_factory=True) for name in _later(kind)}


def _in_use(model: BaseModel) -> dict[str, int]:
    """Return those of them that differ from their defaults."""
    defaults = _defaults(type(model))
    return {
        name: since
        for name, since in _later(type(model)).items()
        if getattr(model, name) != defaults[name]
    }
