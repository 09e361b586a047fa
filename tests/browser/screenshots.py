"""`python -m tests.browser.screenshots`: what the stock of templates looks like, for the docs."""

import asyncio
import re
import sys
from itertools import product
from pathlib import Path

from aiohttp import ClientSession
from playwright.async_api import Browser

from local.demo.checks import Checks
from local.demo.digests import READERS, DigestDemo
from local.demo.messages import parse
from local.stack import LocalStack, StackOptions
from tests.browser.chromium import DESKTOP, PHONE, Scheme, Screen, missing, opened, running_chromium
from tests.browser.mails import BRAND, names, sample_mail, show

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PAGES: tuple[tuple[int, Scheme], ...] = ((DESKTOP, "light"), (PHONE, "dark"))


async def take_pages(browser: Browser) -> set[Path]:
    """The pages of an app that runs."""
    public = {"MAILROOM_PUBLIC_URL": "https://mail.contoso.com"}
    async with LocalStack(StackOptions(settings=settings() | public)) as stack:
        return (
            await take_page(browser, stack)
            | await take_preferences(browser, stack)
            | await take_digest(browser, stack)
        )


async def take_digest(browser: Browser, stack: LocalStack) -> set[Path]:
    """The demo's digest as it arrives, on a telephone and on a desk."""
    checks = Checks()
    async with ClientSession(headers=stack.headers) as client:
        await DigestDemo(stack, client, checks).run()
    assert not checks.failed
    reader = READERS[0]["email"]
    (kept,) = [mail for mail in stack.office365.messages if reader in mail.addresses]
    body = parse(kept).get_body(("html",))
    assert body is not None
    made = set()
    for width in (PHONE, DESKTOP):
        screen = Screen(width=width, height=400, scheme="light")
        async with opened(browser, screen) as page:
            await show(page, body.get_content())
            file = FOLDER / f"digest-demo-{width}-light.png"
            await page.screenshot(path=file, full_page=True)
            made.add(file)
    return made


async def take_preferences(browser: Browser, stack: LocalStack) -> set[Path]:
    """Where the link of a newsletter leads, on a desk and on a telephone."""
    path, made = await _unsubscribe_path(stack), set()
    for width, scheme in PAGES:
        screen = Screen(width=width, height=900, scheme=scheme)
        async with opened(browser, screen) as page:
            await page.goto(f"{stack.host.url}{path}")
            file = FOLDER / f"preferences-{width}-{scheme}.png"
            await page.screenshot(path=file, full_page=True)
            made.add(file)
    return made


async def _unsubscribe_path(stack: LocalStack) -> str:
    """The path of the link in a newsletter that was sent."""
    newsletter = {
        "from": {"email": "billing@contoso.test"}, "to": [{"email": "ana@example.com"}],
        "subject": "What is new", "text": "News.", "category": "bulk", "topic": "product-news",
    }  # fmt: skip
    async with (
        ClientSession(headers=stack.headers) as client,
        client.post(f"{stack.url}/messages", json=newsletter) as answer,
    ):
        assert answer.status == 202, await answer.text()
    kept = await stack.office365.wait_for(lambda mail: b"List-Unsubscribe" in mail.head, 30)
    found = re.search(r"https://mail\.contoso\.com(/api/unsubscribe/\S+)", kept.content.decode())
    assert found is not None
    return found[1].rstrip(">,")


async def take_page(browser: Browser, stack: LocalStack) -> set[Path]:
    """The page of templates, on a desk and on a telephone."""
    made = set()
    for width, scheme in PAGES:
        screen = Screen(width=width, height=900, scheme=scheme)
        async with opened(browser, screen) as page:
            await page.goto(f"{stack.url}/pages/templates#receipt")
            await page.get_by_label("Key").fill(stack.host.function_key)
            await page.get_by_role("button", name="Open").click()
            await page.locator("#measure").filter(has_text="KB").wait_for()
            await page.frame_locator("#frame").get_by_text("Pay now").wait_for()
            path = FOLDER / f"page-{width}-{scheme}.png"
            await page.screenshot(path=path, full_page=width == PHONE)
            made.add(path)
    return made


def settings() -> dict[str, str]:
    """The brand of the samples."""
    return {f"MAILROOM_BRAND_{name.upper()}": value for name, value in BRAND.items() if value}


async def take() -> None:
    """Each template's sample at both widths, light and dark; files that are no more go."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = set()
    async with running_chromium() as browser:
        for name, width, scheme in product(names(), (PHONE, DESKTOP), SCHEMES):
            screen = Screen(width=width, height=400, scheme=scheme)
            async with opened(browser, screen) as page:
                await show(page, sample_mail(name, "en").html)
                path = FOLDER / f"{name}-{width}-{scheme}.png"
                await page.screenshot(path=path, full_page=True)
                made.add(path)
        made |= await take_pages(browser)
    for path in FOLDER.glob("*.png"):
        if path not in made:
            path.unlink()


def main() -> int:
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    asyncio.run(take())
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{FOLDER}: {size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
