"""The stock of templates with its sample data, as mails to look at."""

from functools import cache
from typing import Literal

from playwright.async_api import Page, Route

from shared.templates.definition import read_definition, read_sample
from shared.templates.packaged import PackagedTemplates
from shared.templates.rendering import Filling, Mail, Rendering
from shared.templates.renderings import local_filters

BRAND = {
    "name": "Contoso", "colour": "#0b5cad", "logo_url": "", "website": "https://contoso.com",
    "address": "Contoso Ltd, 1 Harbour Street, Dublin D02 AF30, Ireland",
}  # fmt: skip
LIMIT = 1_000_000
UNSUBSCRIBE = "https://contoso.com/unsubscribe/4Yx"

_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="600">
<rect width="1200" height="600" fill="{0}"/><circle cx="880" cy="210" r="90" fill="{1}"/>
<path d="M0 600V430h180v-90h160v140h220V300h150v180h200V390h290v210z" fill="{1}"/></svg>"""
_COLOURS = ("#264653", "#e9c46a"), ("#3d405b", "#e07a5f"), ("#1d3557", "#a8dadc")


def names() -> list[str]:
    """The stock's templates."""
    return list(PackagedTemplates().bundles)


def languages(name: str) -> tuple[str, ...]:
    return read_definition(PackagedTemplates().bundles[name]).languages


def category(name: str) -> Literal["transactional", "bulk"]:
    found = read_definition(PackagedTemplates().bundles[name]).category
    return "bulk" if found == "bulk" else "transactional"


@cache
def sample_mail(name: str, language: str) -> Mail:
    """A template's sample in a language; bulk mail can be unsubscribed from."""
    bundle = PackagedTemplates().bundles[name]
    extra = {"unsubscribe_url": UNSUBSCRIBE} if category(name) == "bulk" else {}
    rendering = Rendering(bundle, language, BRAND, limit=LIMIT)
    filters = local_filters(language, "Europe/Dublin")
    return rendering.render(Filling(read_sample(bundle), extra, filters))


async def show(page: Page, html: str) -> None:
    """A mail in the page; its pictures are colours, as nothing is fetched."""

    async def paint(route: Route) -> None:
        colours = _COLOURS[len(route.request.url) % len(_COLOURS)]
        await route.fulfill(content_type="image/svg+xml", body=_PICTURE.format(*colours))

    await page.route("https://contoso.com/**", paint)
    await page.set_content(html, wait_until="load")
