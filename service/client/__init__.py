"""A typed client of the service, blocking and async: `Client` and `AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        client.animate(Path("me.png"), Path("walk.mp4"), out=Path("x.mp4"))

Errors are `ProblemError` (the service refused), `UnreachableError` (it does not answer) and
`JobEndedError` (the job failed or was canceled). `sync.py` is generated from `aio.py` by
`tools/generate_sync_client.py`.
"""

from service.client.aio import AsyncClient
from service.client.errors import ClientError, JobEndedError, ProblemError, UnreachableError
from service.client.requests import DEFAULT_URL
from service.client.retries import Retries
from service.client.stream import Event
from service.client.submission import Source
from service.client.sync import Client

__all__ = [
    "DEFAULT_URL",
    "AsyncClient",
    "Client",
    "ClientError",
    "Event",
    "JobEndedError",
    "ProblemError",
    "Retries",
    "Source",
    "UnreachableError",
]
