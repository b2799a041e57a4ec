"""The blocking client, generated from aio: do not edit."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from tcan_client import requests
from tcan_client.deadline import Deadline
from tcan_client.enums import JobState, Output
from tcan_client.errors import JobEndedError, ProblemError, UnreachableError
from tcan_client.events import Event
from tcan_client.files import check_target
from tcan_client.models import Job
from tcan_client.params import JobOptions, JobParams, PosesParams
from tcan_client.requests import TIMEOUT_S, Request, parse, path_of
from tcan_client.retries import POLL_S, RETRIES, Retries
from tcan_client.sources import File, Source, read_source
from tcan_client.submission import UPLOAD_ABOVE_BYTES, Submission, submission_key
from tcan_client.sync.records import Records
from tcan_client.sync.transport import SLEEP, Pause, Transport

OnUpdate = Callable[[Job], None]
"""Called with the job at each change of its state or progress."""

Params = JobParams | Mapping[str, Any]
PreviewParams = PosesParams | Mapping[str, Any]
Options = JobOptions | Mapping[str, Any]


class Client(Records):
    """A client of one service.

    Example:
        with Client("http://127.0.0.1:8000") as client:
            job = client.animate("me.png", "walk.mp4", "result.mp4")

    Args:
        url: the service's URL; by default TCAN_URL, else http://127.0.0.1:8000.
        api_key: key of `tcan keys create`, by default TCAN_API_KEY; an empty one sends none. It is
            sent to the service only, never to an object store.
        timeout: seconds without an answer after which an attempt fails; None waits for ever.
        pause: sleeps for some seconds.
        retries: limits on retries.
        upload_above_bytes: larger files are uploaded to the object store by a signed form.

    Every method raises ProblemError when the service refuses the request, and UnreachableError when
    it does not answer. Requests are retried when that is safe and may help.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float | None = TIMEOUT_S,
        pause: Pause = SLEEP,
        retries: Retries = RETRIES,
        upload_above_bytes: int = UPLOAD_ABOVE_BYTES,
    ) -> None:
        self.url = requests.service_url(url)
        key = requests.service_key(api_key)
        super().__init__(Transport(self.url, key, timeout, pause, retries))
        self._upload_above_bytes = upload_above_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def animate(
        self,
        image: Source,
        driving: Source,
        out: str | os.PathLike[str] | None = None,
        *,
        image_pose: Source | None = None,
        params: Params | None = None,
        options: Options | None = None,
        on_update: OnUpdate = lambda job: None,
        timeout: float | None = None,
    ) -> Job:
        """Submit a job, wait for its end, and write its result to `out`.

        Example:
            job = client.animate(
                "me.png",
                "https://example.com/walk.mp4",
                "result.mp4",
                params={"seed": 7},
                on_update=lambda job: print(f"{job.progress.fraction:.0%}"),
            )

        Args:
            image_pose: pose file of the image; its pose is detected when absent.
            timeout: seconds to wait for the end.

        Raises:
            OSError: an input cannot be read, or `out` cannot be written.
            JobEndedError: the job failed or was canceled.
            WaitTimeoutError: the job has not ended in time; it continues.
        """
        if out is not None:
            check_target(Path(out))
        submitted = self.submit(image, driving, params, image_pose=image_pose, options=options)
        job = self.wait(submitted.id, on_update, timeout=timeout)
        if job.status is not JobState.SUCCEEDED:
            raise JobEndedError(job)
        if out is not None:
            self.download(job.id, out)
        return job

    def submit(
        self,
        image: Source,
        driving: Source,
        params: Params | None = None,
        *,
        image_pose: Source | None = None,
        options: Options | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job. Files are streamed; big ones go directly to the object store.

        Example:
            job = client.submit(Path("me.png"), "walk.mp4", JobParams(seed=7))

        Args:
            driving: a video or a pose file.
            image_pose: pose file of the image; its pose is detected when absent.
            idempotency_key: calls with the same key and content create one job; random when absent,
                which makes the retries of this call safe. Big files are another upload in each
                call: to repeat one, upload them first and give their ids.

        Raises:
            OSError: a file cannot be read.
        """
        inputs = {"image": image, "driving": driving, "image_pose": image_pose}
        return self._submit(
            "/animate", inputs, {"params": params, "options": options}, idempotency_key
        )

    def poses(
        self,
        driving: Source | None = None,
        params: PreviewParams | None = None,
        *,
        image: Source | None = None,
        image_pose: Source | None = None,
        options: Options | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a pose preview of a driving file, an image or both.

        Outputs of a driving file are `keypoints`, `pose`, `analysis` and `review`, that of an image
        is `image_keypoints`; with both there is also `fit`. Each has a `poster`.

        Example:
            job = client.poses("walk.mp4", PosesParams(person=1), image="me.png")
            client.wait(job.id)
            client.download(job.id, "walk.json", Output.KEYPOINTS)

        Args:
            image_pose: pose file of the image; its pose is detected when absent.
        """
        inputs = {"driving": driving, "image": image, "image_pose": image_pose}
        return self._submit(
            "/poses", inputs, {"params": params, "options": options}, idempotency_key
        )

    def change(self, job_id: str, metadata: Mapping[str, str | None]) -> Job:
        """Change texts of a job, such as its name; None removes one, and others stay.

        Example:
            client.change(job.id, {"name": "Second try", "shot": None})
        """
        return self._transport.run(requests.change_request(job_id, metadata))

    def retry(
        self,
        job_id: str,
        params: Params | None = None,
        *,
        options: Options | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job again, with the same inputs, and with parameters and options as changed.

        Example:
            job = client.retry(job.id, JobParams(num_inference_steps=30))

        Args:
            params: changes; a dictionary may have None, such as `{"seed": None}` for a new seed.
        """
        fields = {"params": params, "options": options}
        return self._submit(path_of("jobs", job_id, "retry"), {}, fields, idempotency_key)

    def upload(self, file: Source) -> str:
        """Upload a file to the object store and return its id, which is valid for a day.

        Example:
            walk = client.upload("walk.mp4")
            jobs = [client.submit(image, walk) for image in ("me.png", "you.png")]
        """
        read = read_source("file", file)
        if not isinstance(read, File):
            raise TypeError(f"file must be content to upload, got the {read.kind} {read.value}")
        return self._upload(read)

    def cancel(self, job_id: str) -> Job:
        """Ask the job to stop."""
        path = path_of("jobs", job_id, "cancel")
        return self._transport.run(Request("POST", path, parse(Job)))

    def events(self, job_id: str, last_event_id: int | None = None) -> Generator[Event, None, None]:
        """Yield every change of the job until it ends, each exactly once.

        Example:
            for event in client.events(job.id):
                print(event.kind, event.job.stage, event.job.progress.fraction)

        A broken connection is reopened with growing pauses, after the last event.

        Args:
            last_event_id: start after this event; at the job's first when absent.

        Raises:
            UnreachableError: the service does not answer, or a proxy blocks event streams.
        """
        with closing(self._transport.follow(job_id, last_event_id or 0)) as found:
            for event in found:
                if event is not None:
                    yield event

    def wait(
        self,
        job_id: str,
        on_update: OnUpdate = lambda job: None,
        *,
        timeout: float | None = None,
    ) -> Job:
        """Wait for the job's end; `on_update` is called with each change.

        The job is followed by its events, or polled if event streams are blocked.

        Args:
            timeout: seconds to wait.

        Raises:
            WaitTimeoutError: the job has not ended in time; it continues.
        """
        deadline = Deadline(job_id, timeout)
        use_events = True
        while True:
            job = self.job(job_id)
            on_update(job)
            if job.has_ended:
                return job
            deadline.check()
            if use_events and deadline.is_far:
                use_events = self._follow(job, on_update, deadline)
            else:
                self._transport.pause(POLL_S)

    def download(
        self,
        job_id: str,
        file: str | os.PathLike[str],
        output: Output | str = Output.RESULT,
    ) -> None:
        """Write one of the job's outputs, or `previews/1` and so on, to a file atomically.

        Example:
            client.download(job.id, "poster.png", Output.POSTER)
        """
        self._transport.download(path_of("jobs", job_id, output), Path(file))

    def manifest(self, job_id: str) -> dict[str, Any]:
        """Read the manifest: parameters, digests of inputs and weights, versions, timings."""
        path = path_of("jobs", job_id, Output.MANIFEST)
        return self._transport.run(Request("GET", path, requests.read_json))

    def is_ready(self, timeout: float = 2.0) -> bool:
        """Return whether the service reports readiness within the timeout in seconds."""
        return self._transport.answers("/readyz", timeout)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _submit(
        self,
        path: str,
        inputs: Mapping[str, Source | None],
        fields: Mapping[str, PreviewParams | Options | None],
        key: str | None,
    ) -> Job:
        read = {
            name: read_source(name, source) for name, source in inputs.items() if source is not None
        }
        submission = Submission(path, read, fields, submission_key(key))
        files = submission.to_upload(self._upload_above_bytes)
        uploads = {name: self._upload(file) for name, file in files.items()}
        sent = submission.uploaded(uploads)
        return self._transport.run(Request("POST", path, parse(Job), sent.content))

    def _upload(self, file: File) -> str:
        form = self._transport.run(requests.request_form(file))
        return self._transport.run(requests.send_form(form, file))

    def _follow(self, job: Job, on_update: OnUpdate, deadline: Deadline) -> bool:
        """Call `on_update` with the job's events; return False if streams are blocked."""
        try:
            with closing(self._transport.follow(job.id, job.version)) as found:
                for event in found:
                    if event is None or event.job.has_ended or not deadline.is_far:
                        break
                    on_update(event.job)
        except (ProblemError, UnreachableError):
            return False
        return True
