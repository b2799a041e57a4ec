"""The service that ours is compared with: FastAPI and Celery, as written in an hour.

    python bare.py PORT REDIS_URL FOLDER

`POST /submit` validates the image with Pillow and the video with PyAV, by the same limits and as
deeply as the gateway (the image is decoded completely, the video's declared size and length are
checked and its first frame is decoded), saves both files without syncing them, and queues a task.
It decodes in the server's own process: no sandbox, no idempotency, no durable job record.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from uuid import uuid4

import av
import uvicorn
from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI, HTTPException, UploadFile
from PIL import Image

PORT, REDIS_URL, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
MAX_PIXELS, MAX_FRAMES, MAX_DURATION_S, MIN_SIDE = 40_000_000, 3600, 300, 16

celery = Celery("bare", broker=REDIS_URL, backend=REDIS_URL)
app = FastAPI()


@celery.task(name="bare.animate")
def animate(image: str, driving: str) -> None:
    """Stand for the work; no worker runs it."""


@app.post("/submit", status_code=202)
def submit(image: UploadFile, driving: UploadFile) -> dict[str, str]:
    """Validate and save the files, and queue the task."""
    image_file, driving_file = save(image), save(driving)
    try:
        check_image(image_file)
        check_video(driving_file)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise HTTPException(422, str(error)) from error
    return {"id": animate.delay(image_file.name, driving_file.name).id}


@app.get("/status/{task_id}")
def status(task_id: str) -> dict[str, str]:
    """Return the state of a task."""
    return {"id": task_id, "status": AsyncResult(task_id, app=celery).status}


def save(upload: UploadFile) -> Path:
    """Save an uploaded file."""
    path = FOLDER / uuid4().hex
    with open(path, "wb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


def check_image(path: Path) -> None:
    """Check the size of an image, and decode it."""
    with Image.open(path) as image:
        if min(image.size) < MIN_SIDE or image.width * image.height > MAX_PIXELS:
            raise ValueError(f"bad image size: {image.width}x{image.height}")
        image.load()


def check_video(path: Path) -> None:
    """Check the size and the length of a video, and decode its first frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if min(stream.width, stream.height) < MIN_SIDE or stream.frames > MAX_FRAMES:
            raise ValueError("bad video size or length")
        if (container.duration or 0) / av.time_base > MAX_DURATION_S:
            raise ValueError("the video is too long")
        if next(container.decode(stream), None) is None:
            raise ValueError("the video has no frames")


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
