"""Chromium, driven by playwright: pages of any width and colour scheme, judged by axe-core."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, Frame, Page, async_playwright

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

type Scheme = Literal["light", "dark"]

PHONE, DESKTOP = 375, 1280


def find_chromium() -> str | None:
    """Where Chromium is; None where it is not."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def missing() -> str:
    """What is missing for tests in a browser, and how to get it; "" where all is there."""
    if find_chromium() is None:
        return "Chromium is not here; as root: apt-get install chromium fonts-dejavu-core"
    if not AXE.exists():
        return "axe-core is not here: sh make/npm.sh tests/browser ci"
    return ""


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """A headless Chromium that reaches this machine and nothing else."""
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        yield browser
        await browser.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a page is looked at on. width, height: CSS pixels."""

    width: int = DESKTOP
    height: int = 800
    scheme: Scheme = "light"
    scripts: bool = True


@asynccontextmanager
async def opened(browser: Browser, screen: Screen) -> AsyncIterator[Page]:
    """A page of a profile of its own."""
    context = await browser.new_context(
        viewport={"width": screen.width, "height": screen.height},
        color_scheme=screen.scheme,
        java_script_enabled=screen.scripts,
        reduced_motion="reduce",
        ignore_https_errors=True,
    )
    context.set_default_timeout(20_000)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def axe(page: Page | Frame, *, without: tuple[str, ...] = ()) -> list[str]:
    """What axe-core has against a page by WCAG 2.2 AA and good practice, one line a place.

    without: ids of rules that do not apply. No more than the page itself is looked at: of a frame
    ask for the frame.
    """
    # Evaluated, not added as an element: a page's content security policy stays in force.
    await page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    rules = {name: {"enabled": False} for name in without}
    found: dict[str, Any] = await page.evaluate(
        "options => axe.run(document, options)",
        {"rules": rules, "iframes": False, "resultTypes": ["violations"]},
    )
    return [
        f"{violation['id']} at {' '.join(map(str, node['target']))}: {violation['help']}; "
        f"{node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
