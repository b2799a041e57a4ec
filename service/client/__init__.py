"""A typed client of the service, blocking and awaited: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        client.animate(Path("me.png"), Path("walk.mp4"), out=Path("x.mp4"))

Refusals are `service.errors.ProblemError`, silence is `UnreachableError`, a job without a result is
`JobEndedError`.
"""

from service.client.aio import AsyncClient
from service.client.messages import DEFAULT_URL
from service.client.sync import Client

__all__ = ["DEFAULT_URL", "AsyncClient", "Client"]
