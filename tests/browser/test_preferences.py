"""The preference page as people meet it: in Chromium, without scripts, by keyboard, on a phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.azurite import Azurite
from shared.storage.connection import StorageConnection
from tests.browser.usability import check_usable
from tests.storage.account import connect, running_azurite
from tests.unsubscribing.desk import Desk, open_desk

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESKTOP = 375, 1280


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
async def desk(azurite: Azurite, storage: StorageConnection) -> Desk:
    return await open_desk(
        storage, azurite.connection_string, MAILROOM_BRAND_COLOUR="#ffd400",
        MAILROOM_BRAND_ADDRESS="Contoso Ltd, 1 Main Street, Dublin",
        MAILROOM_BRAND_WEBSITE="https://www.contoso.com",
    )  # fmt: skip


@pytest.fixture
async def site(desk: Desk) -> AsyncIterator[str]:
    """The address of a server that answers as the functions app does."""
    from aiohttp import web

    async def serve(request: web.Request) -> web.Response:
        answer = await desk.api.serve(
            request.method, request.match_info["token"], await request.read(),
            {name.lower(): value for name, value in request.headers.items()},
        )  # fmt: skip
        return web.Response(
            status=answer.status, body=answer.body,
            headers={**answer.headers, "Content-Type": f"{answer.content_type}; charset=utf-8"},
        )  # fmt: skip

    app = web.Application()
    app.router.add_route("*", "/api/unsubscribe/{token}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/api/unsubscribe"
    await runner.cleanup()


@asynccontextmanager
async def visitor(browser: "Browser", site: str, **options: Any) -> "AsyncIterator[Page]":
    """A browser without scripts; the page may complain of nothing and ask nobody else."""
    context = await browser.new_context(
        **{"locale": "en-GB", "java_script_enabled": False, **options}
    )
    page = await context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    await context.close()
    assert [text for text in complaints if "status of 4" not in text] == []
    assert [url for url in asked if not url.startswith((site, "data:"))] == []


def screen(width: int, scheme: str) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}


async def violations(page: "Page") -> list[str]:
    """What axe-core has against the page by WCAG 2.2 AA and good practice."""
    await page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['id']} at {' '.join(map(str, node['target']))}: {violation['help']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_everybody_can_use_every_page(
    browser: "Browser", site: str, desk: Desk, width: int, scheme: str
) -> None:
    token = await desk.token()
    async with visitor(browser, site, **screen(width, scheme)) as page:
        await page.goto(f"{site}/{token}")
        measured = await check_usable(page)
        dark = sum(map(int, measured["ground"].strip("rgb()").split(","))) < 200
        assert dark == (scheme == "dark")
        await page.get_by_role("button", name="Unsubscribe from “Product news”").click()
        assert await page.locator("h1").inner_text() == "You are unsubscribed"
        await check_usable(page)
        await page.get_by_role("button", name="Undo").click()
        assert await page.locator("h1").inner_text() == "Undone"
        await check_usable(page)
        await page.get_by_role("link", name="See all your preferences").click()
        await page.get_by_role("button", name="Pause for 30 days").click()
        await check_usable(page)
        await page.goto(f"{site}/{token[:-3]}")
        assert await page.locator("h1").inner_text() == "This link does not work"
        await check_usable(page)


@pytest.mark.skipif(
    not AXE.exists(), reason="axe-core is not here: it is an npm package of tests/browser"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_axe_finds_nothing(
    browser: "Browser", site: str, desk: Desk, width: int, scheme: str
) -> None:
    token = await desk.token()
    seeing = {**screen(width, scheme), "java_script_enabled": True}  # axe is a script
    async with visitor(browser, site, **seeing) as page:
        for locale_page in (token, token[:-3]):
            await page.goto(f"{site}/{locale_page}")
            assert await violations(page) == []
        await page.goto(f"{site}/{token}")
        for name in ("Unsubscribe from all", "Undo"):
            await page.get_by_role("button", name=name).click()
            assert await violations(page) == []


async def test_by_keyboard_alone(browser: "Browser", site: str, desk: Desk) -> None:
    token = await desk.token()
    async with visitor(browser, site) as page:
        await page.goto(f"{site}/{token}")
        reached = []
        for _ in range(12):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus-visible")
            assert await focused.evaluate("e => getComputedStyle(e).outlineWidth") == "3px"
            reached.append(await focused.evaluate("e => e.value || e.tagName"))
            if reached[-1] == "save":
                break
        assert reached == ["leave", "news", "each", "offers", "each", "save"]
        for _ in range(2):
            await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Space")
        for _ in range(2):
            await page.keyboard.press("Tab")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        assert await page.locator("h1").inner_text() == "Your choice is saved"
        assert await desk.blocked() == ["offers"]


async def test_a_toggle_is_saved_and_can_be_taken_back(
    browser: "Browser", site: str, desk: Desk
) -> None:
    token = await desk.token()
    async with visitor(browser, site, **screen(PHONE, "light")) as page:
        await page.goto(f"{site}/{token}")
        await page.get_by_label("offers").uncheck()
        await page.locator("#cadence-1").select_option("weekly")
        await page.get_by_role("button", name="Save").click()
        assert await page.locator("h1").inner_text() == "Your choice is saved"
        assert await desk.blocked() == ["offers"]
        assert (await desk.preferences.get(desk.address)).cadences["news"] == "weekly"
        await page.get_by_role("button", name="Undo").click()
        assert await desk.blocked() == []
        assert (await desk.preferences.get(desk.address)).cadences["news"] == "each"


async def test_it_is_in_the_visitors_language(browser: "Browser", site: str, desk: Desk) -> None:
    token = await desk.token()
    for locale, word in (
        ("de-DE", "Von „Neuigkeiten“ abmelden"),
        ("fr-FR", "Se désabonner de « Product news »"),
        ("es-MX", "Darse de baja de «Product news»"),
    ):
        async with visitor(browser, site, locale=locale, **screen(PHONE, "light")) as page:
            await page.goto(f"{site}/{token}")
            assert (await page.locator("button").first.inner_text()).replace("\xa0", " ") == word
            measured = await check_usable(page)
            assert measured["lang"] == locale[:2]
