"""The page of a secure link as people meet it: in Chromium, without scripts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.azurite import Azurite
from shared.storage.connection import StorageConnection
from tests.browser.usability import check_usable
from tests.links.desk import PDF, Desk, code_in, open_desk
from tests.storage.account import connect, running_azurite

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WIDTHS = (375, 1280)


@pytest.fixture(scope="session")
async def azurite() -> AsyncIterator[Azurite]:
    async with running_azurite() as azurite:
        yield azurite


@pytest.fixture(scope="session")
async def storage(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    connection = connect(azurite.connection_string)
    yield connection
    await connection.aclose()


@pytest.fixture
def desk(azurite: Azurite, storage: StorageConnection) -> Desk:
    return open_desk(
        storage, azurite.connection_string, MAILROOM_BRAND_COLOUR="#ffd400",
        MAILROOM_BRAND_ADDRESS="Contoso Ltd, 1 Main Street, Dublin",
        MAILROOM_BRAND_WEBSITE="https://www.contoso.com",
    )  # fmt: skip


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[str]:
    """The address of a server that answers as the functions app does."""
    from aiohttp import web

    async def serve(request: web.Request) -> web.Response:
        answer = await desk.files.serve(
            request.method, request.match_info["token"], await request.read(),
            {name.lower(): value for name, value in request.headers.items()},
        )  # fmt: skip
        return web.Response(
            status=answer.status, body=answer.body,
            headers={**answer.headers, "Content-Type": f"{answer.content_type}; charset=utf-8"},
        )  # fmt: skip

    app = web.Application()
    app.router.add_route("*", "/api/files/{token}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@asynccontextmanager
async def visitor(browser: "Browser", site: str, **options: Any) -> "AsyncIterator[Page]":
    """A browser without scripts; the page may complain of nothing and ask nobody else."""
    context = await browser.new_context(
        java_script_enabled=False, accept_downloads=True, **{"locale": "en-GB", **options}
    )
    page = await context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    await context.close()
    # A status of 4xx is told on the console too: it is the page's own.
    assert [text for text in complaints if "status of 4" not in text] == []
    assert [url for url in asked if not url.startswith((site, "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_everybody_can_use_it(
    browser: "Browser", site: str, desk: Desk, width: int, scheme: str
) -> None:
    name = "Eine sehr lange Datei mit sehr langem Namen ohne Ende" + "_x" * 60 + ".pdf"
    _, token = await desk.post(code=True, name=name)
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    async with visitor(browser, site, **options) as page:
        await page.goto(f"{site}/api/files/{token}")
        measured = await check_usable(page)
        dark = sum(map(int, measured["ground"].strip("rgb()").split(","))) < 200
        assert dark == (scheme == "dark")
        await page.fill("#code", "000 000x")
        await page.click("button")
        assert await page.locator("[role=alert]").count() == 1
        assert await page.locator("#code").get_attribute("aria-describedby") == "hint alarm"
        await check_usable(page)
        await page.goto(f"{site}/api/files/{token[:-3]}")
        await check_usable(page)


async def test_the_file_is_downloaded_by_keyboard_alone(
    browser: "Browser", site: str, desk: Desk, tmp_path: Path
) -> None:
    linked, token = await desk.post(code=True)
    async with visitor(browser, site) as page:
        await page.goto(f"{site}/api/files/{token}")
        await page.keyboard.press("Tab")
        assert await page.locator("#code:focus-visible").count() == 1
        await page.keyboard.type(code_in(linked))
        await page.keyboard.press("Tab")
        focused = page.locator("button:focus-visible")
        assert await focused.count() == 1
        outline = await focused.evaluate("e => getComputedStyle(e).outlineWidth")
        assert outline == "3px"
        async with page.expect_download() as waiting:
            await page.keyboard.press("Enter")
        download = await waiting.value
        assert download.suggested_filename == "Bericht März.pdf"
        await download.save_as(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == PDF
        assert await page.locator("h1").inner_text() == "Download a file"


async def test_without_a_code_one_button_does_it(
    browser: "Browser", site: str, desk: Desk, tmp_path: Path
) -> None:
    _, token = await desk.post(max_downloads=1)
    async with visitor(browser, site, viewport={"width": 375, "height": 700}) as page:
        await page.goto(f"{site}/api/files/{token}")
        async with page.expect_download() as waiting:
            await page.click("button")
        await (await waiting.value).save_as(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == PDF
        await page.goto(f"{site}/api/files/{token}")
        assert "used up" in await page.locator("h1").inner_text()


async def test_scanners_that_open_the_page_use_nothing_up(
    browser: "Browser", site: str, desk: Desk
) -> None:
    """Some render what they open: with scripts, and by many connections."""
    from aiohttp import ClientSession

    _, token = await desk.post(max_downloads=1)
    url = f"{site}/api/files/{token}"
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url, wait_until="networkidle")
    await context.close()
    async with ClientSession() as session:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            async with session.request(method, url) as response:
                assert response.status == 200
    assert (await desk.fetch(token)).body == PDF


async def test_it_is_in_the_visitors_language(browser: "Browser", site: str, desk: Desk) -> None:
    _, token = await desk.post()
    for locale, word in (
        ("de-DE", "Herunterladen"),
        ("fr-FR", "Télécharger"),
        ("es-MX", "Descargar"),
    ):
        async with visitor(browser, site, locale=locale) as page:
            await page.goto(f"{site}/api/files/{token}")
            assert await page.locator("button").inner_text() == word
            measured = await check_usable(page)
            assert measured["lang"] == locale[:2]
