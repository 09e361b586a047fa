"""The browser tests' own ground: the page is as asked for, axe-core finds what is wrong, the rest
of the world is out of reach."""

import pytest
from playwright.async_api import Error

from tests.browser.chromium import axe
from tests.browser.conftest import OpenPage

GOOD = '<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1></main></html>'


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_has_the_width_and_the_scheme(open_page: OpenPage, scheme: str) -> None:
    async with open_page(width=375, scheme=scheme) as page:
        await page.set_content(GOOD)
        assert await page.evaluate("innerWidth") == 375
        query = f"matchMedia('(prefers-color-scheme: {scheme})').matches"
        assert await page.evaluate(query) is True


async def test_axe_finds_what_is_wrong_and_nothing_else(open_page: OpenPage) -> None:
    async with open_page() as page:
        await page.set_content(GOOD)
        assert await axe(page) == []
        await page.set_content(GOOD.replace("</h1>", '</h1><img src="data:,">'))
        [found] = await axe(page)
        assert found.startswith("image-alt at img: ")


async def test_only_this_machine_is_reached(open_page: OpenPage) -> None:
    async with open_page() as page:
        with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
            await page.goto("https://contoso.com/")
