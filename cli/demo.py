"""`tcan demo`: a puppet animated through the whole service, and a picture of what came out."""

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
from service.client import Client
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobView
from service.errors import ServiceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A character that no training has seen: those have seeds below 1,000,000.
SEED = 1_000_000
SIZE = 64
SHOWN_FRAMES = 8


class DemoError(ServiceError):
    """The service did not do what the demo asked of it."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the video and the picture.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of the characters and their motion.")] = SEED,
    frames: Annotated[int, typer.Option(min=2, max=400, help="Length of the driving video.")] = 40,
) -> None:
    """Animate a puppet through the whole service, and leave the video and a contact sheet."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as on Ctrl-C: stop all parts
    show(out, seed, frames)


def show(out: Path, seed: int, frames: int) -> None:
    """Do the demo, telling each step.

    Raises:
        DemoError: the job did not succeed.
        StackError: the service did not start.
    """
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tcan-demo-")))
        say = _Steps(4)
        say("Drawing a character, and another one in motion")
        pair = draw_pair(data / "pair", seed, frames)
        say("Starting the service: broker, gateway, and a worker that loads the model")
        service = stack.enter_context(Stack(data / "service", "127.0.0.1", 0, typer.echo))
        service.wait_ready()
        say(f"Sending them to POST {service.url}/animate")
        video = out / "result.mp4"
        with Client(service.url) as client:
            animate(client, pair, video, service.tend)
        say("Laying source, driving frames and result side by side")
        sheet = write_sheet(pair, video, out / "contact_sheet.png")
        stack.pop_all().close()
    typer.echo(f"\nThe animation:     {video}\nThe contact sheet: {sheet}")


class _Steps:
    """Numbers the steps as they are told."""

    def __init__(self, count: int) -> None:
        self._number, self._count = 0, count

    def __call__(self, line: str) -> None:
        self._number += 1
        typer.echo(f"[{self._number}/{self._count}] {line}")


def draw_pair(folder: Path, seed: int, frames: int) -> Path:
    """Write a puppet's picture and another one's video; the folder with both."""
    from tcan_core.puppets.pairs import render_pair

    render_pair(folder, seed, frames, SIZE)
    return folder


def animate(client: Client, pair: Path, video: Path, tend: Callable[[], None]) -> JobView:
    """Send the pair as a job, follow it with a progress bar, and fetch its result.

    Raises:
        DemoError: the job ended otherwise.
    """
    job = client.submit(pair / "source.png", pair / "driving.mp4", JobParams(seed=0))
    with progress_bar() as update:

        def on_update(now: JobView) -> None:
            update(now)
            tend()

        job = client.wait(job.id, on_update)
    if job.status is not JobState.SUCCEEDED:
        raise DemoError(f"the job {job.status}: {job.error.detail if job.error else 'no reason'}")
    client.download(job.id, video)
    return job


def write_sheet(pair: Path, video: Path, sheet: Path) -> Path:
    """Write a picture of the source, and of driver and result at the same moments."""
    from media.contact_sheet import contact_sheet
    from media.image import read_image, write_png

    source = read_image(pair / "source.png")
    driving, result = some_frames(pair / "driving.mp4"), some_frames(video)
    rows = [[source], driving, result]
    write_png(sheet, contact_sheet(rows, ["source", "driving", "result"]))
    return sheet


def some_frames(video: Path) -> list[NDArray[np.uint8]]:
    """Frames from the first to the last, evenly spaced."""
    from media.video import read_video

    frames = list(read_video(video))
    count = min(SHOWN_FRAMES, len(frames))
    last = len(frames) - 1
    return [frames[round(index * last / max(count - 1, 1))] for index in range(count)]
