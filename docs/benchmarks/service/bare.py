"""The yardsticks: FastAPI and Celery, and nothing else. `bare.py PORT REDIS_URL FOLDER`.

`/submit` and `/status` are the hello-world that the service is held to. `/form` is the same with
the two files that a submit of ours carries, saved as FastAPI's documentation has it: not checked,
not synced.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from uuid import uuid4

import uvicorn
from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI, UploadFile

PORT, REDIS_URL, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

celery = Celery("bare", broker=REDIS_URL, backend=REDIS_URL)
app = FastAPI()


@celery.task(name="bare.hello")
def hello(name: str) -> str:
    """The work."""
    return f"hello {name}"


@app.post("/submit", status_code=202)
def submit(name: str) -> dict[str, str]:
    """Queue it."""
    return {"id": hello.delay(name).id}


@app.post("/form", status_code=202)
def form(image: UploadFile, driving: UploadFile) -> dict[str, str]:
    """Save the files and queue it."""
    for sent in (image, driving):
        with open(FOLDER / uuid4().hex, "wb") as file:
            shutil.copyfileobj(sent.file, file)
    return {"id": hello.delay("you").id}


@app.get("/status/{task_id}")
def status(task_id: str) -> dict[str, str]:
    """Look at it."""
    return {"id": task_id, "status": AsyncResult(task_id, app=celery).status}


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
