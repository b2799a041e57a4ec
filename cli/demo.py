"""`tcan demo`: animate a puppet through the whole service, and make a contact sheet."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.embedded.stack import Stack
from cli.jobs import progress_bar
from service.errors import ServiceError
from tcan_client import Client, Job, JobState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Not a training character: those have seeds below 1,000,000.
SEED = 1_000_000
SIZE = 64
SHEET_FRAMES = 8


class DemoError(ServiceError):
    """The demo's job failed."""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the video and the contact sheet.")] = Path(
        "demo"
    ),
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the characters and their motion.")
    ] = SEED,
    frames: Annotated[int, typer.Option(min=2, max=400, help="Length of the driving video.")] = 40,
) -> None:
    """Animate a puppet through the whole service; write the video and a contact sheet."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as on Ctrl-C: stop all parts
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcan-demo-")))
        typer.echo("[1/4] Drawing a character, and a video of another one")
        pair = draw_pair(data / "pair", seed, frames)
        typer.echo("[2/4] Starting the service: broker, gateway, and a worker that loads the model")
        service = stack.enter_context(Stack(data / "service", "127.0.0.1", 0, typer.echo))
        service.wait_ready()
        typer.echo(f"[3/4] Sending them to POST {service.url}/animate")
        video = out / "result.mp4"
        with Client(service.url, api_key="") as client:
            animate(client, pair, video, service.restart_ended)
        typer.echo("[4/4] Drawing source, driving frames and result side by side")
        sheet = write_sheet(pair, video, out / "contact_sheet.png")
        stack.pop_all().close()
    typer.echo(f"\nThe animation:     {video}\nThe contact sheet: {sheet}")


def draw_pair(folder: Path, seed: int, frames: int) -> Path:
    """Write a puppet's image and another one's video into a folder; return it."""
    from tcan_core.puppets.pairs import render_pair

    render_pair(folder, seed, frames, SIZE)
    return folder


def animate(client: Client, pair: Path, video: Path, on_poll: Callable[[], None]) -> Job:
    """Submit the pair as a job, show a progress bar, and download its result.

    Raises:
        DemoError: the job did not succeed.
    """
    job = client.submit(pair / "source.png", pair / "driving.mp4", {"seed": 0})
    with progress_bar() as update:

        def on_update(now: Job) -> None:
            update(now)
            on_poll()

        job = client.wait(job.id, on_update)
    if job.status is not JobState.SUCCEEDED:
        raise DemoError(
            f"the job is {job.status}: {job.error.detail if job.error else 'no reason'}"
        )
    client.download(job.id, video)
    return job


def write_sheet(pair: Path, video: Path, sheet: Path) -> Path:
    """Write an image of the source, and of driving video and result at the same times."""
    from media.contact_sheet import contact_sheet
    from media.image import read_image, write_png

    source = read_image(pair / "source.png")
    driving, result = sample_frames(pair / "driving.mp4"), sample_frames(video)
    rows = [[source], driving, result]
    write_png(sheet, contact_sheet(rows, ["source", "driving", "result"]))
    return sheet


def sample_frames(video: Path) -> list[NDArray[np.uint8]]:
    """Return evenly spaced frames, the first and the last among them."""
    from media.video_reader import read_video

    frames = list(read_video(video))
    count = min(SHEET_FRAMES, len(frames))
    last = len(frames) - 1
    return [frames[round(index * last / max(count - 1, 1))] for index in range(count)]
