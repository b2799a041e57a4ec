"""Hooks of Schemathesis: valid media and existing job ids in place of random ones.

So generated requests also create jobs, follow events and read deliveries. By hand:
`SCHEMATHESIS_HOOKS=tests.service.schema_hooks schemathesis run URL/openapi.json`.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.transport.serialization import Binary

from service.contract.requests import INPUT_URL, UPLOAD_ID
from tcan_client import Client, JobOptions, JobState, Webhook
from tests import samples


@cache
def media() -> dict[str, bytes]:
    """Return an image and a video by part name."""
    with tempfile.TemporaryDirectory() as folder:
        return {"image": samples.png(), "driving": samples.video(Path(folder))}


# Id of a job from an earlier response.
JOB_ID = re.compile("[0-9a-f]{32}")
WAIT = re.compile("^wait=[0-9]{2}$")


class EndedJobs:
    """Ids of ended jobs, each with a webhook message; some always exist."""

    least, most = 4, 20
    # No server listens there.
    options = JobOptions(webhook=Webhook(url="http://127.0.0.1:9/hook"))

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._calls = 0

    def ids(self, url: str) -> list[str]:
        """Return the ids; they are read again after some time, since jobs are erased."""
        if self._calls % self.most == 0:
            with Client(url) as client, tempfile.TemporaryDirectory() as folder:
                ids = [job.id for job in client.jobs(self.most, (JobState.CANCELED,))]
                ids += [self._make(client, Path(folder)) for _ in range(self.least - len(ids))]
            self._ids = ids
        self._calls += 1
        return self._ids

    def _make(self, client: Client, folder: Path) -> str:
        driving = folder / "driving.json"
        driving.write_bytes(samples.poses(100))
        return client.cancel(client.poses(driving, options=self.options).id).id


ended_jobs = EndedJobs()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Use an ended job with an existing message in three of four requests.

    Shorten long polls to a second, since no worker runs the jobs.
    """
    for header in [name for name in case.headers or {} if name.lower() == "prefer"]:
        case.headers[header] = WAIT.sub("wait=1", str(case.headers[header]))
    parameters = case.path_parameters
    job_id = str(parameters.get("job_id", ""))
    number = sum(job_id.encode(errors="replace"))
    if "job_id" not in parameters or JOB_ID.fullmatch(job_id) or number % 4 == 3:
        return
    ids = ended_jobs.ids(str(case.operation.base_url))
    parameters["job_id"] = ids[number % len(ids)]
    if parameters.get("n") in range(1, 1001):
        parameters["n"] = 1


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Give two of three forms with files valid inputs; the others keep random bytes."""
    path = "" if context.operation is None else context.operation.path
    if path not in ("/animate", "/poses") or not isinstance(body, dict):
        return body
    contents = [value.data for value in body.values() if isinstance(value, Binary)]
    if not contents or sum(map(len, contents)) % 3 == 2:
        return body
    inputs = media() if path == "/animate" else {"driving": media()["driving"]}
    # Only what is valid may be left out: other values must lead to a refusal.
    kept = {name: value for name, value in body.items() if not _is_other_input(value)}
    return kept | {name: Binary(content) for name, content in inputs.items()}


def _is_other_input(value: Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, Binary)
    return re.match(INPUT_URL, value) is not None or re.match(UPLOAD_ID, value) is not None
