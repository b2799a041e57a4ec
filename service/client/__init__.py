"""A typed client of the service, blocking and awaited: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        client.animate(Path("me.png"), Path("walk.mp4"), out=Path("x.mp4"))

Refusals are `service.errors.ProblemError`, silence is `UnreachableError`, a job without a result is
`JobEndedError`.
"""

from service.client.aio import AsyncClient
from service.client.defaults import DEFAULT_URL
from service.client.retries import Retries
from service.client.stream import Event
from service.client.submission import Source
from service.client.sync import Client

__all__ = ["DEFAULT_URL", "AsyncClient", "Client", "Event", "Retries", "Source"]
