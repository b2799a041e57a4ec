"""Scroll a history of 200 jobs with their pictures, and count frames in the browser's own trace.

    python docs/benchmarks/studio/scrolling.py                # makes the jobs first, some minutes
    python docs/benchmarks/studio/scrolling.py --url http://127.0.0.1:8000   # a service that runs

"first" scrolls while pages of jobs and their pictures are still read, "again" when they are there.
"CPU ms" is the processor time of the page's main thread, which hardly depends on other work.
"text" is a page of plain text that is as long: what this browser on this machine can do at best.
Counted are frames of the moving page: one is dropped if it did not come in time, "partly" presented
if it moved in time and a change of the page came later.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from cli.demo import draw_pair  # noqa: E402
from tcan_client import Client  # noqa: E402
from tests.studio.conftest import studio_running  # noqa: E402

JOBS = 200
SPEED = 3000  # CSS pixels per second, a quick turn of the wheel
CATEGORIES = ["cc", "benchmark", "toplevel", "__metadata"]
LINE = 34  # CSS pixels of a paragraph with its margin
# What the trace says of each frame of the page.
STATES = {
    "STATE_PRESENTED_ALL": "presented",
    "STATE_PRESENTED_PARTIAL": "partly",
    "STATE_DROPPED": "dropped",
}


def main() -> None:
    """Run the benchmark and print a row for each run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", help="a running service whose history is long")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with service(arguments.url) as url, sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print("| scroll | seconds | frames presented | partly | dropped | per second | CPU ms |")
        print("|---|---|---|---|---|---|---|")
        for _ in range(arguments.runs):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{url}/studio?view=history")
            page.get_by_role("listitem").first.wait_for()
            for name in ("first", "again"):
                print(row(name, scroll(browser, page)))
            height = page.evaluate("document.documentElement.scrollHeight")
            page.goto("about:blank")
            page.set_content("<p>text</p>" * (height // LINE))
            print(row("text", scroll(browser, page)))
            page.close()


@contextmanager
def service(url: str | None) -> Iterator[str]:
    """Return the URL of the given service, or run one with so many short jobs."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, studio_running(Path(folder)) as studio:
        pair = draw_pair(Path(folder), seed=1_000_000, frames=9)
        with Client(studio.url) as client:
            files = pair / "source.png", pair / "driving.mp4"
            first = client.submit(*files, {"num_inference_steps": 1}).id
            client.wait(first)
            ids = [client.retry(first, {"seed": seed}).id for seed in range(JOBS - 1)]
            for job_id in ids:
                client.wait(job_id)
        yield studio.url


def scroll(browser: Browser, page: Page) -> list[dict[str, Any]]:
    """Scroll from the top to the end; return the events of the trace."""
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    browser.start_tracing(page=page, categories=CATEGORIES)
    session = page.context.new_cdp_session(page)
    height = 0
    while height < (full := int(page.evaluate("document.documentElement.scrollHeight"))):
        gesture = {"x": 640, "y": 600, "yDistance": -full, "speed": SPEED}
        session.send("Input.synthesizeScrollGesture", gesture)
        height = full
    return list(json.loads(browser.stop_tracing())["traceEvents"])


def row(name: str, events: list[dict[str, Any]]) -> str:
    """Count the frames of the moving page, and return them as a row of the table."""
    pages = {
        event["pid"]
        for event in events
        if event["name"] == "process_name" and event["args"]["name"] == "Renderer"
    }
    frames = [
        (event["ts"], report)
        for event in events
        if event["name"] == "PipelineReporter" and event["ph"] == "b" and event["pid"] in pages
        if (report := report_of(event))["scroll_state"] != "SCROLL_NONE"
    ]
    seconds = (frames[-1][0] - frames[0][0]) / 1e6
    states = Counter(report["state"] for _, report in frames)
    counts = [states[state] for state in STATES]
    rate = (counts[0] + counts[1]) / seconds
    cells = [name, f"{seconds:.1f}", *counts, f"{rate:.0f}", f"{main_thread_ms(events):.0f}"]
    return f"| {' | '.join(map(str, cells))} |"


def report_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return what the trace says of a frame; the field's name depends on the browser's version."""
    arguments = event["args"]
    return dict(arguments.get("chrome_frame_reporter") or arguments["frame_reporter"])


def main_thread_ms(events: list[dict[str, Any]]) -> float:
    """Return the processor time of all tasks of main threads of pages."""
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = (
        event.get("tdur", 0)
        for event in events
        if event["name"] == "ThreadControllerImpl::RunTask"
        and (event["pid"], event["tid"]) in threads
    )
    return float(sum(tasks)) / 1000


if __name__ == "__main__":
    main()
