"""The stock of templates, as readers see it: on telephones and desks, by day and by night."""

import json
import re
from itertools import product
from typing import Any

import pytest

from shared.lint import LintPolicy, lint_message
from shared.messages.model import Address, Message
from shared.templates.bundle import Bundle
from shared.templates.definition import read_sample
from shared.templates.packaged import PackagedTemplates
from shared.templates.rendering import Filling, Rendering
from shared.templates.renderings import local_filters
from shared.templates.validation import check_bundle
from tests.browser.chromium import DESKTOP, PHONE, Scheme, axe
from tests.browser.conftest import OpenPage
from tests.browser.mails import BRAND, LIMIT, category, languages, names, sample_mail, show

STOCK = {"alert", "code", "digest", "newsletter", "notice", "plain", "receipt"}
MAILS = [(name, language) for name in names() for language in languages(name)]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
CLIP = 102 * 1024  # bytes of HTML that Gmail shows

# Rules about whole pages: a mail stands within its reader's landmarks, and a letter has no heading.
OF_PAGES = ("landmark-one-main", "region", "page-has-heading-one")

MEASURE = """() => {
    const seen = element => element.checkVisibility() && element.getClientRects().length > 0;
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        const size = parseFloat(getComputedStyle(parent).fontSize);
        if (text.replace(/[\\u034f\\u200c\\u00a0]/g, "").trim() && seen(parent)) {
            texts.push([size, text.length]);
        }
    }
    const buttons = [...document.querySelectorAll(".button a")].map(
        a => a.closest("td").getBoundingClientRect().height);
    const ground = selector => {
        const found = document.querySelector(selector);
        return getComputedStyle(found).backgroundColor.match(/[\\d.]+/g).map(Number);
    };
    return {
        overflow: document.documentElement.scrollWidth - innerWidth,
        texts, buttons, page: ground("body > div.page, body > div.letter"), card: ground(".card"),
    };
}"""


def test_the_stock_is_complete() -> None:
    assert set(names()) == STOCK
    assert {lang for _, lang in MAILS} == {"en", "de", "fr", "es"}
    assert len(MAILS) == 4 * len(STOCK)


@pytest.mark.parametrize(("name", "language"), MAILS)
async def test_it_is_read_well(open_page: OpenPage, name: str, language: str) -> None:
    html = sample_mail(name, language).html
    async with open_page() as page:
        await show(page, html)
        for width, scheme in product((PHONE, DESKTOP), SCHEMES):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme)
            found: dict[str, Any] = await page.evaluate(MEASURE)
            assert found["overflow"] <= 0
            sizes = [size for size, _ in found["texts"]]
            assert min(sizes) >= 14
            count = sum(length for _, length in found["texts"])
            assert sum(length for size, length in found["texts"] if size >= 16) > count / 2
            assert all(height >= 44 for height in found["buttons"])
            assert len(found["buttons"]) == html.count('class="button"')
            for ground in (found["page"], found["card"]):
                brightness = sum(ground[:3]) / 3
                assert brightness < 60 if scheme == "dark" else brightness > 235
            assert await axe(page, without=OF_PAGES) == []


@pytest.mark.parametrize(("name", "language"), MAILS)
def test_lint_finds_nothing(name: str, language: str) -> None:
    mail = sample_mail(name, language)
    message = Message.model_construct(
        sender=Address(email="news@contoso.com"), to=(Address(email="ana@contoso.com"),),
        subject=mail.subject, html=mail.html, text=mail.text, category=category(name),
    )  # fmt: skip
    assert lint_message(message, policy=LintPolicy.read({})) == []
    assert len(mail.html.encode()) < CLIP
    assert mail.subject.strip()
    assert "None" not in mail.text


@pytest.mark.parametrize(("name", "language"), MAILS)
def test_the_text_holds_each_link(name: str, language: str) -> None:
    mail = sample_mail(name, language)
    links = set(re.findall(r'<a\b[^>]*\bhref="([^"]+)"', mail.html))
    assert {link for link in links if link.replace("&amp;", "&") not in mail.text} == set()


@pytest.mark.parametrize("name", sorted(STOCK))
def test_it_has_no_fault_and_goes_the_fast_way(name: str) -> None:
    bundle = PackagedTemplates().bundles[name]
    assert check_bundle(bundle, BRAND, limit=LIMIT) == []
    bare = dict.fromkeys(BRAND, "")
    assert check_bundle(bundle, bare, limit=LIMIT) == []
    assert Rendering(bundle, "en", BRAND, limit=LIMIT).fast is not None


@pytest.mark.parametrize("colour", ["#ffe600", "#000000", "#ffffff", "#e63946", "#7fb800"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_any_brand_colour_can_be_read(open_page: OpenPage, colour: str, scheme: str) -> None:
    brand = {**BRAND, "colour": colour, "logo_url": "https://contoso.com/logo.png"}
    bundle = PackagedTemplates().bundles["receipt"]
    rendering = Rendering(bundle, "en", brand, limit=LIMIT)
    filling = Filling(read_sample(bundle), {}, local_filters("en", "UTC"))
    async with open_page(width=PHONE, scheme=scheme) as page:
        await show(page, rendering.render(filling).html)
        assert await page.get_by_role("img", name="Contoso").count() == 1
        assert await axe(page, without=OF_PAGES) == []


async def test_from_right_to_left_it_is_mirrored(open_page: OpenPage) -> None:
    files = dict(PackagedTemplates().bundles["receipt"].files)
    texts, definition = json.loads(files["texts.json"]), json.loads(files["template.json"])
    definition["languages"].append("ar")
    texts["ar"] = {**texts["en"], "pay": "ادفع الآن", "item": "البند", "price": "المبلغ"}
    files |= {"texts.json": json.dumps(texts), "template.json": json.dumps(definition)}
    bundle = Bundle(files)
    rendering = Rendering(bundle, "ar", BRAND, limit=LIMIT)
    filling = Filling(read_sample(bundle), {}, local_filters("ar", "UTC"))
    async with open_page(width=PHONE) as page:
        await show(page, rendering.render(filling).html)
        item = await page.get_by_role("columnheader", name="البند").bounding_box()
        price = await page.get_by_role("columnheader", name="المبلغ").bounding_box()
        button = await page.get_by_role("link", name="ادفع الآن").bounding_box()
        assert item is not None
        assert price is not None
        assert button is not None
        assert item["x"] > price["x"]
        assert button["x"] > PHONE / 2
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE
