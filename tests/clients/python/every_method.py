"""A script that calls every method of the client, as its user would write it.

python every_method.py FOLDER    # with character.png and dance.mp4, on the service at TCAN_URL
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import anyio

from tcan_client import (
    AsyncClient,
    Client,
    Delivery,
    Event,
    Job,
    JobOptions,
    JobParams,
    JobState,
    LogEntry,
    ModelInfo,
    Output,
    Priority,
    ProblemError,
    ResultFormat,
    Secrets,
    Upload,
    Usage,
    Webhook,
)


def results(client: Client, folder: Path) -> Job:
    """Make a video and a pose preview, and read all that there is of them."""
    steps: list[float] = []
    on_update: Callable[[Job], None] = lambda job: steps.append(job.progress.fraction)  # noqa: E731
    job = client.animate(
        folder / "character.png",
        str(folder / "dance.mp4"),
        folder / "result.gif",
        params=JobParams(seed=7, format=ResultFormat.GIF),
        options=JobOptions(priority=Priority.LOW),
        on_update=on_update,
        timeout=600,
    )
    assert steps and job.status is JobState.SUCCEEDED
    client.download(job.id, str(folder / "manifest.json"), Output.MANIFEST)
    assert client.manifest(job.id)["params"]["seed"] == 7
    events: list[Event] = list(client.events(job.id, last_event_id=1))
    assert events[-1].job.id == job.id
    preview = client.wait(
        client.poses((folder / "dance.mp4").read_bytes(), {"person": 0}).id, timeout=600
    )
    client.download(preview.id, folder / "dance.json", Output.KEYPOINTS)
    return job


def housekeeping(client: Client, folder: Path) -> None:
    """List, cancel and erase jobs; read messages, secrets and models."""
    walk: str = client.upload(folder / "dance.mp4")
    options = {"webhook": {"url": "http://127.0.0.1:9/hook"}}
    job = client.submit(
        folder / "character.png", walk, {"seed": 1}, options=options, idempotency_key="one"
    )
    assert Webhook(url="http://127.0.0.1:9/hook").url == "http://127.0.0.1:9/hook"
    assert job.id in {one.id for one in client.jobs(10)}
    again = client.retry(job.id, {"seed": 2})
    assert (again.params.seed, client.cancel(again.id).id) == (2, again.id)
    uploads: list[Upload] = client.uploads(limit=5)
    assert uploads[0].id == walk
    client.delete_upload(walk)
    usage: Usage = client.usage()
    assert usage.storage.jobs >= 2
    changed = client.change(job.id, {"name": "first", "absent": None})
    assert changed.options.metadata == {"name": "first"}
    client.cancel(job.id)
    ended = client.wait(job.id)
    assert client.job(job.id).ended_at == ended.ended_at
    deliveries: list[Delivery] = client.deliveries(job.id)
    assert client.redeliver(job.id, deliveries[0].n).id == deliveries[0].id
    log: list[LogEntry] = client.logs(job.id)
    assert log[0].status is JobState.QUEUED
    client.erase(job.id)
    try:
        client.job(job.id)
    except ProblemError as error:
        assert (error.status, error.code) == (404, "job_not_found")
    secrets: Secrets = client.webhook_secrets()
    assert len(client.rotate_webhook_secret(overlap_s=60).secrets) > len(secrets.secrets)
    models: list[ModelInfo] = client.models()
    assert all(model.workers for model in models)


async def use_async(folder: Path) -> None:
    """Do the same as `results` with the async client."""
    async with AsyncClient(timeout=30.0) as client:
        job = await client.submit(folder / "character.png", folder / "dance.mp4")
        async for event in client.events(job.id):
            last = event.job
        assert last.has_ended
        await client.download(job.id, folder / "result.mp4")


def main(folder: Path) -> None:
    """Call everything."""
    client = Client()
    assert client.is_ready(timeout=10.0)
    results(client, folder)
    housekeeping(client, folder)
    client.close()
    anyio.run(use_async, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
