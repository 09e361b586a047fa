"""The frame of Mailroom's pages: layout, style, and the header fields that keep them safe."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent / "html"

# Nobody else learns of a page or its address, and nothing of it stays behind.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept-Language",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is sent: UTF-8 HTML and its header fields."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str]


class Pages:
    """Renders pages in the brand of the settings. folders: where subjects keep their own."""

    def __init__(self, settings: Settings, *folders: Path) -> None:
        self._settings = settings
        self._folders = (_FOLDER, *folders)
        self._environment: Environment | None = None
        self._style = ""

    def render(self, name: str, *, language: str, title: str, **values: Any) -> Page:
        """The page of the template `name`, which extends `layout.html`."""
        html = self._templates().get_template(name).render(
            language=language, title=title, style=self._style, brand=self._brand(), **values
        )  # fmt: skip
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {
            **_HEADERS, "Content-Security-Policy": policy, "Content-Language": language,
        }  # fmt: skip
        return Page(html.encode(), headers)

    def _templates(self) -> "Environment":
        if self._environment is None:
            from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415
            from markupsafe import Markup  # noqa: PLC0415

            self._environment = Environment(
                loader=FileSystemLoader(self._folders), autoescape=True, undefined=StrictUndefined,
                trim_blocks=True, lstrip_blocks=True,
            )  # fmt: skip
            colour = self._settings.brand_colour
            css = (_FOLDER / "style.css").read_text(encoding="utf-8")
            self._style = Markup(  # noqa: S704 (a file of ours and a colour that is one)
                f":root{{--brand:{colour};--on-brand:{ink_on(colour)}}}\n{css}"
            )
        return self._environment

    def _brand(self) -> dict[str, str]:
        settings = self._settings
        logo = settings.brand_logo_url
        # A logo from elsewhere would tell that server of each visit.
        own = urlsplit(logo)[:2] == urlsplit(settings.public_url)[:2]
        return {
            "name": settings.brand_name,
            "logo_url": logo if logo and own else "",
            "address": settings.brand_address,
            "website": settings.brand_website,
        }


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on the colour (WCAG 2.2, relative luminance).

    One of the two always has a contrast of 4.5 or more.
    """

    def linear(value: int) -> float:
        part = value / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004

    red, green, blue = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"
