"""The rows of growth.py about uploads and sessions of pages."""

from __future__ import annotations

from growth_rows import run_all
from growth_world import Row, World

from service.contract.job import ANONYMOUS, new_job_id
from service.maintenance.orphans import BATCH
from service.stores.job_store import sessions, uploads
from service.stores.job_store.uploads import Upload

DAY_MS = 24 * 3600 * 1000


def register(world: World) -> float:
    """Make an upload of a hundred parts."""
    upload = Upload(id=new_job_id(), caller=ANONYMOUS, max_bytes=100, part_bytes=1)
    return run_all(world, uploads.register_upload(upload, DAY_MS))


def fill_uploads(world: World) -> None:
    """Make `size` uploads of one caller."""
    for _ in range(world.size):
        upload = Upload(id=new_job_id(), caller=ANONYMOUS, max_bytes=1000)
        world.jobs.run(uploads.register_upload(upload, DAY_MS))


def list_uploads(world: World) -> float:
    """List the newest 50 uploads of a caller."""
    return run_all(world, uploads.list_uploads(ANONYMOUS, 50))


def find_missing(world: World) -> float:
    """Look for the uploads of as many objects as the sweeper checks in a round."""
    return run_all(world, uploads.missing_uploads([new_job_id() for _ in range(BATCH)]))


def sign_in(world: World) -> float:
    """Store a session of a key."""
    return run_all(world, sessions.put_session(new_job_id(), "key", DAY_MS))


def fill_sessions(world: World) -> None:
    """Sign in `size` times with one key."""
    for _ in range(world.size):
        sign_in(world)


ROWS = {
    "upload": Row("make an upload, uploads of one caller", fill_uploads, register),
    "uploads-list": Row("list 50 uploads, uploads of one caller", fill_uploads, list_uploads),
    "uploads-missing": Row("look for 1,000 orphaned uploads, uploads", fill_uploads, find_missing),
    "sign-in": Row("sign in, sign-ins with one key", fill_sessions, sign_in),
}
