"""The frame of all pages: language, header fields, brand."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.links.texts import _TEXTS, language_of, texts_in, written_size
from shared.pages import LANGUAGES, Page, Pages, choose_language
from shared.pages.page import ink_on
from tests.storage.account import make_settings


def render(**settings: str) -> Page:
    loaded = make_settings("UseDevelopmentStorage=true", **settings)
    return Pages(loaded).render("notice.html", language="en", title="<T>", lines=["a & b"])


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de", "de"), ("de-CH, fr;q=0.9", "de"), ("fr;q=0.9, de;q=0.8", "fr"), ("DE", "de"),
        ("it, es;q=0.3", "es"), ("*", "en"), ("de;q=0, fr;q=0", "en"), ("", "en"), (";;;", "en"),
        ("de;q=0.1, en;q=0.2", "en"), ("zh-Hans-CN", "en"), ("de;q=2", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_visitors_best(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language


@given(st.text(max_size=600))
def test_any_header_gives_a_language(accepted: str) -> None:
    assert choose_language(accepted) in LANGUAGES


def test_every_language_says_everything() -> None:
    assert set(_TEXTS) == set(LANGUAGES)
    for texts in _TEXTS.values():
        assert texts.keys() == texts_in("en").keys()
        for name, text in texts.items():
            assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", texts_in("en")[name])
    assert (language_of("de-AT"), language_of("ja")) == ("de", "en")


def test_sizes_are_written_as_people_write_them() -> None:
    shown = [written_size(n, "de").replace("\N{NO-BREAK SPACE}", " ") for n in (5, 1500, 2_000_000)]
    assert shown == ["5 B", "1,5 kB", "2 MB"]


def test_the_policy_allows_the_pages_own_style_alone() -> None:
    page = render()
    html = page.body.decode()
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    for directive in ("default-src 'none'", "form-action 'self'", "base-uri 'none'",
                      "frame-ancestors 'none'"):  # fmt: skip
        assert directive in policy
    assert ' style="' not in html
    assert "&lt;T&gt;" in html
    assert "a &amp; b" in html


def test_the_brand_is_on_the_page() -> None:
    html = render(
        MAILROOM_BRAND_NAME="Müller & Söhne", MAILROOM_BRAND_COLOUR="#112233",
        MAILROOM_BRAND_ADDRESS="1 Main St <x>",
    ).body.decode()  # fmt: skip
    assert "Müller &amp; Söhne" in html
    assert "--brand:#112233" in html
    assert "1 Main St &lt;x&gt;" in html


def test_a_logo_of_another_server_is_not_asked_for() -> None:
    settings = {
        "MAILROOM_BRAND_NAME": "Contoso",
        "MAILROOM_PUBLIC_URL": "https://mail.contoso.test",
    }
    other = render(MAILROOM_BRAND_LOGO_URL="https://cdn.test/logo.png", **settings).body.decode()
    assert "cdn.test" not in other
    own = "https://mail.contoso.test/logo.png"
    assert (
        f'<img src="{own}" alt="Contoso">'
        in render(MAILROOM_BRAND_LOGO_URL=own, **settings).body.decode()
    )


@given(st.integers(0, 0xFFFFFF))
def test_ink_can_be_read_on_any_colour(number: int) -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colour = f"#{number:06x}"
    low, high = sorted([light(colour), light(ink_on(colour))])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_pages_ship_with_the_app() -> None:
    ignored = (Path(__file__).parents[2] / ".funcignore").read_text().split()
    assert not {"*.html", "*.css", "html/"} & set(ignored)
