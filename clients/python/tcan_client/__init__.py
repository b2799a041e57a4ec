"""A typed client of the tcan service, blocking and async: `Client` and `AsyncClient`.

    from tcan_client import Client

    with Client() as client:
        client.animate("me.png", "walk.mp4", "result.mp4", params={"seed": 7})

The service's URL and key come from the arguments or from TCAN_URL and TCAN_API_KEY. Errors are
`ProblemError` (the service refused), `UnreachableError` (it does not answer), `JobEndedError` (the
job failed or was canceled) and `WaitTimeoutError`, all of them `ClientError`.
"""

from tcan_client.aio.client import AsyncClient
from tcan_client.enums import (
    DeliveryState,
    EventKind,
    JobKind,
    JobState,
    LogKind,
    Output,
    PoseLayout,
    Priority,
    ResultFormat,
    RootMotion,
    Sampler,
    Scope,
    WebhookEvent,
)
from tcan_client.errors import (
    ClientError,
    FieldError,
    JobEndedError,
    ProblemError,
    UnreachableError,
    WaitTimeoutError,
)
from tcan_client.events import Event
from tcan_client.models import (
    Allowance,
    Attempt,
    Delivery,
    Eta,
    Job,
    JobError,
    Links,
    LogEntry,
    ModelInfo,
    Progress,
    Review,
    ReviewCell,
    Secret,
    Secrets,
    StorageUse,
    Timings,
    Upload,
    Usage,
)
from tcan_client.params import JobOptions, JobParams, PosesParams, Trim, Webhook
from tcan_client.requests import DEFAULT_URL
from tcan_client.retries import Retries
from tcan_client.sources import Source
from tcan_client.sync.client import Client

__all__ = [
    "DEFAULT_URL",
    "Allowance",
    "AsyncClient",
    "Attempt",
    "Client",
    "ClientError",
    "Delivery",
    "DeliveryState",
    "Eta",
    "Event",
    "EventKind",
    "FieldError",
    "Job",
    "JobEndedError",
    "JobError",
    "JobKind",
    "JobOptions",
    "JobParams",
    "JobState",
    "Links",
    "LogEntry",
    "LogKind",
    "ModelInfo",
    "Output",
    "PoseLayout",
    "PosesParams",
    "Priority",
    "ProblemError",
    "Progress",
    "ResultFormat",
    "Retries",
    "RootMotion",
    "Review",
    "ReviewCell",
    "Sampler",
    "Scope",
    "Secret",
    "Secrets",
    "Source",
    "StorageUse",
    "Timings",
    "Trim",
    "UnreachableError",
    "Upload",
    "Usage",
    "WaitTimeoutError",
    "Webhook",
    "WebhookEvent",
]
