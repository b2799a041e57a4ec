"""The blocking client's reading of what the service keeps, generated from aio: do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tcan_client import requests
from tcan_client.enums import JobState
from tcan_client.models import (
    Delivery,
    DeliveryList,
    Job,
    JobList,
    JobLog,
    LogEntry,
    ModelInfo,
    ModelList,
    Secrets,
    Upload,
    UploadList,
    Usage,
)
from tcan_client.requests import MAX_PAGE_SIZE, Request, parse, path_of
from tcan_client.sync.transport import Transport


class Records:
    """Jobs, uploads, webhook messages and use of limits; a part of `Client`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def job(self, job_id: str) -> Job:
        """Read a job."""
        return self._transport.run(Request("GET", path_of("jobs", job_id), parse(Job)))

    def jobs(
        self,
        limit: int = 50,
        states: Sequence[JobState | str] = (),
        *,
        metadata: Mapping[str, str] | None = None,
        caller: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[Job]:
        """List the newest jobs, at most `limit`, filtered by state, metadata, caller and time.

        Example:
            failed = client.jobs(states=[JobState.FAILED], metadata={"shot": "12"})

        Args:
            caller: of whom; other callers than the own need the scope `admin`.
        """
        path: str | None = requests.with_query(
            "/jobs",
            limit=min(limit, MAX_PAGE_SIZE),
            status=[str(state) for state in states],
            metadata=[f"{name}={value}" for name, value in (metadata or {}).items()],
            caller=caller,
            created_after=None if created_after is None else created_after.isoformat(),
            created_before=None if created_before is None else created_before.isoformat(),
        )
        jobs: list[Job] = []
        while path is not None and len(jobs) < limit:
            page = self._transport.run(Request("GET", path, parse(JobList)))
            jobs += page.jobs
            path = requests.next_path("/jobs", page.next)
        return jobs[:limit]

    def erase(self, job_id: str) -> None:
        """Erase an ended job and its results."""
        path = path_of("jobs", job_id)
        self._transport.run(Request("DELETE", path, lambda response: None))

    def logs(self, job_id: str) -> list[LogEntry]:
        """Read the job's life, oldest entry first: states, attempts, stages, warnings, messages.

        Example:
            for entry in client.logs(job.id):
                print(entry.at, entry.message)
        """
        path = path_of("jobs", job_id, "logs")
        return (self._transport.run(Request("GET", path, parse(JobLog)))).entries

    def uploads(self, limit: int = 50) -> list[Upload]:
        """List the newest uploads, at most `limit`."""
        path: str | None = requests.with_query("/uploads", limit=min(limit, MAX_PAGE_SIZE))
        uploads: list[Upload] = []
        while path is not None and len(uploads) < limit:
            page = self._transport.run(Request("GET", path, parse(UploadList)))
            uploads += page.uploads
            path = requests.next_path("/uploads", page.next)
        return uploads[:limit]

    def delete_upload(self, upload_id: str) -> None:
        """Delete an upload before it expires; jobs that use it keep their copies."""
        path = path_of("uploads", upload_id)
        self._transport.run(Request("DELETE", path, lambda response: None))

    def usage(self) -> Usage:
        """Read what the caller has used and has left of its limits, and what it stores.

        Example:
            print((client.usage()).queued_jobs.remaining)
        """
        return self._transport.run(Request("GET", "/usage", parse(Usage)))

    def deliveries(self, job_id: str) -> list[Delivery]:
        """List the messages to the job's webhook, with every attempt."""
        path = path_of("jobs", job_id, "deliveries")
        return (self._transport.run(Request("GET", path, parse(DeliveryList)))).deliveries

    def redeliver(self, job_id: str, n: int) -> Delivery:
        """Send a webhook message again."""
        path = path_of("jobs", job_id, "deliveries", n, "redeliver")
        return self._transport.run(Request("POST", path, parse(Delivery)))

    def webhook_secrets(self) -> Secrets:
        """Read the secrets that verify webhooks."""
        return self._transport.run(Request("GET", "/webhooks/secret", parse(Secrets)))

    def rotate_webhook_secret(self, overlap_s: int | None = None) -> Secrets:
        """Begin a new secret; the one before stays valid for `overlap_s` seconds."""
        path = requests.with_query("/webhooks/secret/rotate", overlap_s=overlap_s)
        return self._transport.run(Request("POST", path, parse(Secrets)))

    def models(self) -> list[ModelInfo]:
        """List the models that workers have loaded."""
        return (self._transport.run(Request("GET", "/models", parse(ModelList)))).models
