"""A row of the table of attacks, and the form that many of them send."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import httpx

from tests.hostile import files
from tests.hostile.conftest import Service

Attack = Callable[[Service], httpx.Response]


class Row(NamedTuple):
    """An attack.

    Attributes:
        codes: accepted codes of the error response or of the failed job.
    """

    name: str
    attack: Attack
    codes: tuple[str, ...]


Content = bytes | Callable[[], bytes]


def form(
    image: Content = files.GOOD_IMAGE, driving: Content = files.GOOD_POSES, **texts: str
) -> Attack:
    """Submit a form with these parts; contents given as functions are made on submit.

    The inputs show no puppets, which the service's preset would refuse before it reads all of them.
    """
    texts = {"params": '{"any_subject": true}', **texts}

    def attack(service: Service) -> httpx.Response:
        parts = {
            name: (name, content if isinstance(content, bytes) else content())
            for name, content in (("image", image), ("driving", driving))
        }
        return service.http.post("/animate", files=parts, data=texts)

    return attack
