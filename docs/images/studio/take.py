"""Take the pictures of the studio in this folder .

PYTHONPATH=. python docs/images/studio/take.py [--out FOLDER]

Needs Chromium (`make browser`). It starts an embedded service and works with the examples of the
first page; the pictures are of each step at 390, 1280 and 2560 pixels, light and dark.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tcan_client import Client
from tests.studio.conftest import ACTION_MS, CHROMIUM, studio_running

SIZES = {390: 844, 1280: 800, 2560: 1440}
EXAMPLES = Path("service/studio/examples")
# Enough for a job to be seen at work in each size.
MANY_STEPS = 200
COLORS = 256
SEEN_IMAGES_ARE_LOADED = """() => [...document.images].every(
    image => image.complete || image.getBoundingClientRect().top > innerHeight)"""


def main() -> None:
    """Write the pictures of all steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, studio_running(Path(folder)) as studio:
        with browser_running() as browser:
            page = browser.new_page()
            page.set_default_timeout(ACTION_MS)
            page.goto(studio.url)
            take_making(page, out)
            with Client(studio.url) as client:
                take_history(page, client, out)
                take_watching(page, client, out)
    for path in out.glob("*.png"):
        reduce_colors(path)


@contextmanager
def browser_running() -> Iterator[Browser]:
    """Run Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def take_making(page: Page, out: Path) -> None:
    """Take the first page, a result of its example, and the poses."""
    example = page.get_by_role("button", name="Tall puppet")
    expect(example).to_be_visible()
    take(page, out, "start")
    example.click()
    result = page.get_by_role("region", name="Result")
    result.get_by_role("button", name="Side by side").click()
    result.get_by_role("slider", name="Position").fill("9")
    expect(result.get_by_text("Frame 9 of 0 to")).to_be_attached()
    take(page, out, "result", "Result")
    page.get_by_role("button", name="Preview poses").click()
    expect(page.get_by_label("Poses fitted to the picture")).to_be_visible()
    take(page, out, "poses", "Poses")


def take_history(page: Page, client: Client, out: Path) -> None:
    """Take the history, most of its jobs with names."""
    named = [
        ("tall", "dance", "Skirt, first try"),
        ("medium", "jacks", "Bun, jumping"),
        ("small", "dance", "Cap"),
        ("small", "jacks", "Cap, jumping"),
        ("medium", "dance", ""),
    ]
    for picture, driver, name in named:
        options = {"metadata": {"name": name}} if name else {}
        pair = EXAMPLES / f"{picture}.png", EXAMPLES / f"{driver}.mp4"
        client.wait(client.submit(*pair, {"seed": 7}, options=options).id)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("button", name="Open Cap, jumping")).to_be_visible()
    take(page, out, "history")


def take_watching(page: Page, client: Client, out: Path) -> None:
    """Take a job at work."""
    pair = EXAMPLES / "medium.png", EXAMPLES / "jacks.mp4"
    job = client.submit(*pair, {"num_inference_steps": MANY_STEPS})
    page.goto(f"{page.url.partition('?')[0]}?job={job.id}")
    expect(page.get_by_alt_text("The newest preview frame")).to_be_visible()
    take(page, out, "watch", "Progress")
    client.cancel(job.id)


def take(page: Page, out: Path, step: str, region: str | None = None) -> None:
    """Take the page in each size and both schemes, scrolled to a region."""
    page.mouse.move(0, 0)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if region is None:
                page.evaluate("scrollTo(0, 0)")
            else:
                section = page.get_by_role("region", name=region, exact=True)
                section.evaluate("element => element.scrollIntoView({ block: 'start' })")
            page.wait_for_function(SEEN_IMAGES_ARE_LOADED)
            page.screenshot(path=out / f"{step}-{width}-{scheme}.png")


def reduce_colors(path: Path) -> None:
    """Write the picture with a palette: a third of the bytes."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(COLORS, kmeans=1)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    main()
