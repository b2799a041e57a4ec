"""Who calls: one dependency, on which every route that touches jobs stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from service.contract.job import ANONYMOUS


@dataclass(frozen=True)
class Caller:
    """Somebody with jobs of their own. `id` is part of keys in Redis: letters, digits, - and _."""

    id: str


async def get_caller() -> Caller:
    """The caller of this request. Everybody is the one anonymous caller for now."""
    return Caller(ANONYMOUS)


CallerDep = Annotated[Caller, Depends(get_caller)]
