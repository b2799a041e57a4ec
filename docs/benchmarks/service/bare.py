"""The yardstick: FastAPI and Celery, and nothing else. `bare.py PORT REDIS_URL`."""

from __future__ import annotations

import sys

import uvicorn
from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI

PORT, REDIS_URL = int(sys.argv[1]), sys.argv[2]

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


@app.get("/status/{task_id}")
def status(task_id: str) -> dict[str, str]:
    """Look at it."""
    return {"id": task_id, "status": AsyncResult(task_id, app=celery).status}


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, access_log=False, log_level="warning")
