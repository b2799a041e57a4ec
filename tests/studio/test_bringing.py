"""Files are brought: refusals beside their field, names as text, and the whole path by keyboard."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import FilePayload, JSHandle, Page, Route, expect

from tests import samples
from tests.service.web import web_server
from tests.studio.conftest import OpenPage, axe_violations, bring, studio_running

pytestmark = pytest.mark.long


def test_refused_picture_is_explained_beside_its_field(page: Page, pair: Path) -> None:
    broken = png("broken.png", b"no picture")
    inputs = page.get_by_role("region", name="Inputs")
    for button in ("Animate", "Preview poses"):
        bring(page, broken, pair / "driving.mp4")
        expect(inputs.get_by_text("Sent; this browser cannot show it")).to_be_visible()
        page.get_by_role("button", name=button, exact=True).click()
        expect(inputs.get_by_role("alert")).to_contain_text("Use another picture")
        expect(inputs.get_by_text("broken.png")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(1)
        bring(page, pair / "source.png", pair / "driving.mp4")
        expect(inputs.get_by_role("alert")).to_have_count(0)


def test_preset_for_puppets_animates_another_subject_if_one_insists(page: Page, pair: Path) -> None:
    bring(page, png("plain.png", samples.png(256, 256)), pair / "driving.mp4")
    page.get_by_role("button", name="Animate", exact=True).click()
    progress = page.get_by_role("region", name="Progress")
    expect(progress.get_by_role("alert")).to_contain_text("The picture shows no puppet")
    expect(progress.get_by_role("alert")).not_to_contain_text("--any-subject")
    page.get_by_role("button", name="Animate anyway").click()
    expect(progress.get_by_role("alert")).not_to_contain_text("shows no puppet")


def test_file_of_another_kind_is_named(page: Page) -> None:
    drop(page, ("notes.txt", "", b"a"))
    expect(page.get_by_role("alert")).to_contain_text("“notes.txt” is neither a picture")


def test_picture_and_video_are_dropped_anywhere_or_pasted(page: Page, pair: Path) -> None:
    picture = ("me.png", "image/png", (pair / "source.png").read_bytes())
    video = ("walk.mp4", "video/mp4", (pair / "driving.mp4").read_bytes())
    inputs = page.get_by_role("region", name="Inputs")
    drop(page, picture, video)
    expect(inputs.get_by_text("Sent", exact=True)).to_have_count(2)
    for name in ("me.png", "walk.mp4"):
        expect(inputs.get_by_text(name)).to_be_visible()
    paste(page, ("pasted.png", *picture[1:]))
    expect(inputs.get_by_text("pasted.png")).to_be_visible()
    expect(inputs.get_by_text("me.png")).to_have_count(0)
    page.get_by_role("button", name="Animate", exact=True).click()
    expect(page.get_by_role("region", name="Result")).to_be_visible()


def test_two_addresses_make_a_video(open_page: OpenPage, pair: Path, tmp_path: Path) -> None:
    with web_server() as web, studio_running(tmp_path, TCAN_OUTBOUND_ALLOW="127.0.0.1") as studio:
        page = open_page(url=studio.url)
        for name, file in (("character", "source.png"), ("motion", "driving.mp4")):
            page.get_by_role("button", name=f"Address of the {name}").click()
            field = page.get_by_label(f"Web address of the {name}")
            field.fill(web.page(f"/{file}", (pair / file).read_bytes()))
            field.press("Enter")
        inputs = page.get_by_role("region", name="Inputs")
        expect(inputs.get_by_text("shows nothing of it")).to_have_count(2)
        page.get_by_role("button", name="Animate", exact=True).click()
        expect(page.get_by_role("region", name="Result")).to_be_visible()


def test_address_that_fails_is_explained_beside_its_field_and_taken_again(
    page: Page, pair: Path
) -> None:
    page.get_by_role("button", name="Address of the character").click()
    page.get_by_label("Web address of the character").fill("http://127.0.0.1:9/a.png")
    page.get_by_label("Web address of the character").press("Enter")
    page.get_by_label("Driving video", exact=True).set_input_files(pair / "driving.mp4")
    page.get_by_role("button", name="Animate", exact=True).click()
    inputs = page.get_by_role("region", name="Inputs")
    expect(inputs.get_by_role("alert")).to_contain_text("127.0.0.1")
    expect(page.get_by_role("alert")).to_have_count(1)


def test_dropped_result_restores_its_settings_with_its_job_or_without(
    page: Page, pair: Path
) -> None:
    bring(page, pair / "source.png", pair / "driving.mp4")
    seed = page.get_by_label("Seed", exact=True)
    seed.fill("1234")
    page.get_by_role("button", name="Animate", exact=True).click()
    expect(page.get_by_role("region", name="Result")).to_be_visible()
    address, job = page.url, page.url.rpartition("=")[2]
    links = page.evaluate(f"fetch('/jobs/{job}').then(answer => answer.json())")["links"]
    result = ("mine.mp4", "video/mp4", read(page, links["result"]))

    for is_kept in (True, False):
        page.goto(address.partition("?")[0])
        seed.fill("5")
        drop(page, result)
        inputs = page.get_by_role("region", name="Inputs")
        expect(inputs.get_by_text("Settings of “mine.mp4” restored.")).to_be_visible()
        expect(inputs.get_by_text("Its job is open.")).to_have_count(int(is_kept))
        expect(seed).to_have_value("1234")
        assert page.url == (address if is_kept else address.partition("?")[0])
        expect(inputs.get_by_text("The picture of the open job")).to_have_count(int(is_kept))
        if is_kept:
            page.wait_for_function(HAS_THUMBNAILS)
        page.evaluate(f"fetch('/jobs/{job}', {{method: 'DELETE'}})")
    page.get_by_role("button", name="Use the file as an input instead").click()
    expect(inputs.get_by_text("mine.mp4")).to_be_visible()


def test_address_without_a_scheme_is_refused_at_once(page: Page) -> None:
    page.get_by_role("button", name="Address of the character").click()
    field = page.get_by_label("Web address of the character")
    field.fill("example.com/a.png")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("starts with https://")


def test_name_with_markup_is_text(page: Page, pair: Path) -> None:
    name = "<script>document.title='x'</script><img src=x onerror=alert(1)>.png"
    bring(page, png(name, (pair / "source.png").read_bytes()), pair / "driving.mp4")
    expect(page.get_by_text(name)).to_be_visible()
    expect(page).to_have_title("Studio")


def test_whole_path_by_keyboard(page: Page) -> None:
    press_until(page, "Tab", "Dance")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Jumping jacks")).to_be_checked()
    press_until(page, "Tab", "Small puppet with a cap")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Result")).to_be_visible()
    press_until(page, "Tab", "Seed")
    page.keyboard.type("7")
    press_until(page, "Tab", "Animate")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Result").get_by_text("seed 7")).to_be_visible()


# Each field shows something of the open job.
HAS_THUMBNAILS = """() => {
    const shown = [...document.querySelectorAll('.input-thumbnail canvas')].map(canvas => {
        const empty = document.createElement('canvas');
        [empty.width, empty.height] = [canvas.width, canvas.height];
        return canvas.toDataURL() !== empty.toDataURL();
    });
    return shown.length === 2 && shown.every(Boolean);
}"""

# Name, media type, content.
Brought = tuple[str, str, bytes]


def drop(page: Page, *files: Brought) -> None:
    """Drop files on the page."""
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, files)})


def paste(page: Page, *files: Brought) -> None:
    """Paste files into the page."""
    page.evaluate(
        "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        transfer(page, files),
    )


def transfer(page: Page, files: tuple[Brought, ...]) -> JSHandle:
    """Return what a browser hands over of these files."""
    return page.evaluate_handle(
        """files => {
            const data = new DataTransfer();
            for (const [name, type, content] of files) {
                const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
                data.items.add(new File([bytes], name, { type }));
            }
            return data;
        }""",
        [[name, kind, b64encode(content).decode()] for name, kind, content in files],
    )


# Sent in three parts.
BIG: FilePayload = {"name": "big.mp4", "mimeType": "video/mp4", "buffer": bytes(9 * 1024 * 1024)}


def test_broken_upload_goes_on_with_the_part_that_broke(page: Page) -> None:
    sent: list[Route] = []

    def break_the_second(route: Route) -> None:
        sent.append(route)
        if len(sent) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/objects", break_the_second)
    page.get_by_label("Driving video", exact=True).set_input_files(BIG)
    expect(page.get_by_text("Sent; this browser cannot show it")).to_be_visible()
    assert len(sent) == 4
    assert newest_upload(page)["size_bytes"] == len(BIG["buffer"])


def test_upload_goes_on_where_it_stopped_when_the_network_is_back(page: Page) -> None:
    arrived: list[Route] = []
    network = {"may_send": 1}

    def send_some(route: Route) -> None:
        if len(arrived) < network["may_send"]:
            arrived.append(route)
            route.continue_()
        else:
            route.abort("internetdisconnected")

    page.route("**/objects", send_some)
    page.get_by_label("Driving video", exact=True).set_input_files(BIG)
    inputs = page.get_by_role("region", name="Inputs")
    expect(inputs.get_by_role("alert")).to_contain_text("sending goes on where it stopped")
    network["may_send"] = 3
    inputs.get_by_role("button", name="Try again").click()
    expect(inputs.get_by_text("Sent; this browser cannot show it")).to_be_visible()
    assert len(arrived) == 3
    assert newest_upload(page)["size_bytes"] == len(BIG["buffer"])


def test_picture_is_cropped_by_pointer_keys_and_numbers(page: Page, pair: Path) -> None:
    bring(page, png("wide.png", samples.png(200, 100)), pair / "driving.mp4")
    inputs = page.get_by_role("region", name="Inputs")
    inputs.get_by_role("button", name="Crop").click()
    dialog = page.get_by_role("dialog", name="Crop the picture")
    width, height = (dialog.get_by_label(side, exact=True) for side in ("Width", "Height"))
    corner = dialog.get_by_role("button", name="Corner at the bottom right")
    expect(height).to_have_value("100")
    at, shown = corner.bounding_box(), dialog.locator("img").bounding_box()
    assert at is not None and shown is not None
    page.mouse.move(at["x"] + 12, at["y"] + 12)
    page.mouse.down()
    page.mouse.move(at["x"] + 12 - 0.2 * shown["width"], at["y"] + 12, steps=3)
    page.mouse.up()
    expect(width).to_have_value("160")
    corner.press("Shift+ArrowLeft")
    corner.press("ArrowUp")
    expect(width).to_have_value("150")
    expect(height).to_have_value("99")
    assert axe_violations(page) == []
    dialog.get_by_label("As the driving video").check()
    expect(width).to_have_value("100")
    expect(height).to_have_value("100")
    width.fill("80")
    dialog.get_by_role("button", name="Frame").press("Shift+ArrowRight")
    dialog.get_by_role("button", name="Use this part").click()
    expect(inputs.get_by_text("wide 80x80.png")).to_be_visible()
    expect(inputs.get_by_role("button", name="Crop")).to_be_focused()
    inputs.get_by_role("button", name="Crop").click()
    dialog.get_by_role("button", name="Use this part").click()
    expect(inputs.get_by_text("wide.png")).to_be_visible()


def test_empty_file_is_refused_before_it_is_sent(page: Page) -> None:
    page.get_by_label("Picture", exact=True).set_input_files(png("empty.png", b""))
    expect(page.get_by_role("alert")).to_contain_text("The file is empty.")


def read(page: Page, path: str) -> bytes:
    """Return a file of the service."""
    return page.request.get(urljoin(page.url, path)).body()


def newest_upload(page: Page) -> dict[str, object]:
    """Return what the service has of the newest upload."""
    found = page.evaluate("fetch('/uploads?limit=1').then(answer => answer.json())")
    upload: dict[str, object] = found["uploads"][0]
    return upload


def png(name: str, content: bytes) -> FilePayload:
    """Return a file that the browser takes for a PNG."""
    return {"name": name, "mimeType": "image/png", "buffer": content}


def press_until(page: Page, key: str, name: str) -> None:
    """Press a key until the element with this label or text has the focus."""
    named = "el => (el.labels?.[0] ?? el).textContent.trim()"
    for _ in range(100):
        page.keyboard.press(key)
        if page.locator(":focus").count() and page.locator(":focus").evaluate(named) == name:
            return
    raise AssertionError(f"{name} never got the focus")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_views_have_no_axe_violation(
    open_page: OpenPage, pair: Path, scheme: str, width: int
) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    expect(page.get_by_role("button", name="Tall puppet")).to_be_visible()
    assert axe_violations(page) == []
    bring(page, pair / "source.png", pair / "driving.mp4")
    page.get_by_text("More settings").click()
    page.get_by_text("My settings").click()
    expect(page.get_by_role("button", name="Animate", exact=True)).to_be_enabled()
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
