"""What templates can do: layouts, partials, languages, formats, text, and errors with places."""

import re
from typing import Any

import pytest

from shared.errors import TemplateError
from shared.templates.bundle import Bundle
from tests.templates.sources import column, fill, make_bundle, text

LAYOUT = (
    "<mjml><mj-head><mj-title>{{ subject }}</mj-title>{% block head %}{% endblock %}</mj-head>\n"
    "<mj-body><mj-section><mj-column>\n"
    "{% block content %}<mj-text>Nothing</mj-text>{% endblock %}\n"
    "{% block footer %}<mj-text>{{ brand.name }}</mj-text>{% endblock %}\n"
    "</mj-column></mj-section></mj-body></mjml>"
)


def text_of(body: str, data: dict[str, Any] | None = None, **options: Any) -> str:
    return fill(make_bundle(body, **options), data or {}).text


def test_a_layout_has_blocks_that_are_filled_and_extended() -> None:
    files = {
        "_layouts/base.mjml": LAYOUT,
        "_layouts/letter.mjml": '{% extends "_layouts/base.mjml" %}'
        "{% block content %}<mj-text>Dear {{ name }}</mj-text>{% block more %}{% endblock %}"
        "{% endblock %}",
    }
    body = (
        '{% extends "_layouts/letter.mjml" %}{% set kind = "letter" %}'
        "{% block more %}<mj-text>A {{ kind }}.</mj-text>{% endblock %}"
        "{% block footer %}{{ super() }}<mj-text>Bye</mj-text>{% endblock %}"
    )
    assert (
        text_of(body, {"name": "Ana"}, files=files) == "Dear Ana\n\nA letter.\n\nContoso\n\nBye\n"
    )


def test_partials_see_what_is_around_them_and_keep_their_own() -> None:
    files = {
        "_partials/item.mjml": "{% set label = item.name %}<mj-text>{{ label }}!</mj-text>",
        "_partials/macros.mjml": "{% macro strong(x) %}"
        "<mj-text><b>{{ x }}</b></mj-text>{% endmacro %}",
    }
    body = column(
        '{% set label = "mine" %}{% from "_partials/macros.mjml" import strong %}'
        '{% for item in things %}{% include "_partials/item.mjml" %}{% endfor %}'
        "<mj-text>{{ label }}</mj-text>{{ strong(name) }}"
    )
    data = {"things": [{"name": "<a>"}, {"name": "b"}], "name": "<i>"}
    mail = fill(make_bundle(body, files=files), data)
    assert mail.text == "<a>!\n\nb!\n\nmine\n\n<i>\n"
    assert "<b>&lt;i&gt;</b>" in mail.html


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("<mj-text>\n{{ a.b }}</mj-text>", "data.a is missing", 3),
        ("<mj-text>\n{{ data.x.y }}</mj-text>", "data.x.y is missing", 3),
        ("\n<mj-text>{% for i in data['items'] %}\n{{ i.price }}{% endfor %}</mj-text>",
         "data.items[1].price is missing", 4),
        ("<mj-text>{{ texts.nothing }}</mj-text>", "texts.nothing is missing", 2),
        ("<mj-text>{% if a.b %}x</mj-text>", "Jinja cannot read it", 2),
        ("<mj-text>{{ x | nofilter }}</mj-text>", "No filter named 'nofilter'", 2),
        ("<mj-text>{{ x | date }}</mj-text>", "is no date or time", 2),
        ("<mj-text>{{ x | money('EUR') }}</mj-text>", "is no number", 2),
        ("<mj-text>{{ x | money }}</mj-text>", "needs a currency", 2),
        ("<mj-text>{{ x + 1 }}</mj-text>", "does not fit", 2),
        ("<mj-text {{ x }}>a</mj-text>", "among the attributes", 2),
        ("<mj-button href={{ x }}>a</mj-button>", "among the attributes", 2),
        ("{{ x }}", "between components", 2),
        ('{% include "_partials/none.mjml" %}', "There is no _partials/none.mjml", 2),
        ("{% include x %}", "in quotes", 2),
        ("{{ super() }}", "has no block above it", 2),
        ("{% block a %}", "is not ended", 2),
        ("{% block a %}{% endblock %}{% block a %}{% endblock %}", "is there twice", 2),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_path(source: str, said: str, line: int) -> None:
    bundle = make_bundle(column(source))
    with pytest.raises(TemplateError) as refused:
        fill(bundle, {"x": {"z": 1} if "data.x" in source else "?", "items": [{"price": 1}, {}]})
    assert said in refused.value.detail
    assert refused.value.file == "body.mjml"
    assert refused.value.line == line
    assert refused.value.fix


def test_an_error_in_a_layout_is_told_there() -> None:
    files = {"_layouts/base.mjml": LAYOUT.replace("{{ brand.name }}", "\n{{ brand.nmae }}")}
    with pytest.raises(TemplateError) as refused:
        fill(make_bundle('{% extends "_layouts/base.mjml" %}', files=files), {})
    assert (refused.value.file, refused.value.line) == ("_layouts/base.mjml", 5)
    assert refused.value.path == "brand.nmae"


def test_missing_values_may_be_asked_about() -> None:
    body = text('{% if x is defined %}yes{% else %}no{% endif %} {{ y | default("none") }} {{ z }}')
    assert text_of(body, {"z": None}) == "no none\n"


def languages() -> Bundle:
    return make_bundle(
        text("{{ texts.hello }} {{ texts.deep.one }} {{ language }} {{ day | date }}"),
        languages=("en", "de", "ar"),
        texts={
            "en": {"hello": "Hello", "deep": {"one": "one"}}, "de": {"hello": "Guten Tag"},
            "ar": {"hello": "مرحبا"},
        },
        files={"body.ar.mjml": text("{{ texts.hello }}")},
    )  # fmt: skip


def test_a_language_falls_back_text_by_text() -> None:
    mail = fill(languages(), {"day": "2026-01-05"}, language="de", writing="de-AT")
    assert mail.text == "Guten Tag one de 5. Jänner 2026\n"
    assert '<html lang="de" dir="ltr"' in mail.html


def test_languages_from_right_to_left_are_mirrored() -> None:
    mail = fill(languages(), {"day": "2026-01-05"}, language="ar")
    assert '<html lang="ar" dir="rtl"' in mail.html
    assert mail.text == "مرحبا\n"
    assert "text-align:right" in mail.html
    assert "direction:ltr" not in mail.html.replace(" ", "")


@pytest.mark.parametrize(
    ("expression", "writing", "zone", "shown"),
    [
        ("t | date", "en", "UTC", "December 1, 2026"),
        ("t | date('short')", "de", "UTC", "01.12.26"),
        ("t | date('EEEE')", "de", "Pacific/Auckland", "Mittwoch"),
        ("t | time", "en-GB", "Europe/Vienna", "22:30"),
        ("t | time", "en", "America/New_York", "4:30 PM"),
        ("'2026-07-01T12:00:00Z' | time", "de", "Europe/Vienna", "14:00"),
        ("'2026-03-29T02:30:00+01:00' | time", "de", "Europe/Vienna", "03:30"),
        ("t | datetime('medium', 'Asia/Tokyo')", "en-GB", "UTC", "2 Dec 2026, 06:30:00"),
        ("0 | date", "en", "UTC", "January 1, 1970"),
        ("'1234.5' | money('EUR')", "de", "UTC", "1.234,50 €"),
        ("1234.5 | money('EUR')", "en", "UTC", "€1,234.50"),
        ("1234.5 | money('JPY')", "en", "UTC", "¥1,234"),
        ("1234.5 | money('EUR', 0)", "en", "UTC", "€1,234"),
        ("{'amount': '5', 'currency': 'CHF'} | money", "de-CH", "UTC", "CHF 5.00"),
        ("1234567.891 | number", "en-IN", "UTC", "12,34,567.891"),
        ("1234567.891 | number(2)", "fr", "UTC", "1 234 567,89"),
        ("0.256 | percent", "de", "UTC", "26 %"),
        ("0.256 | percent(1)", "en", "UTC", "25.6%"),
        ("1 | plural(one='# item', other='# items')", "en", "UTC", "1 item"),
        ("1200 | plural(one='# item', other='# items')", "en", "UTC", "1,200 items"),
        ("3 | plural(one='# plik', few='# pliki', many='# plików', other='# pliku')", "pl",
         "UTC", "3 pliki"),
        ("0 | plural(none='nothing', one='#', other='#')", "en", "UTC", "nothing"),
        ("['a', 'b', 'c'] | listing", "en", "UTC", "a, b, and c"),
        ("['a', 'b', 'c'] | listing('or')", "de", "UTC", "a, b oder c"),
        ("null | default('x', true)", "en", "UTC", "x"),
    ],
)  # fmt: skip
def test_formats_are_those_of_language_and_zone(
    expression: str, writing: str, zone: str, shown: str
) -> None:
    bundle = make_bundle(text("{{ " + expression + " }}"))
    data = {"t": "2026-12-01T21:30:00Z", "null": None}
    mail = fill(bundle, data, writing=writing, zone=zone)
    assert " ".join(mail.text.split()) == " ".join(shown.split())


def test_css_is_inlined_and_media_queries_stay() -> None:
    body = (
        "<mjml><mj-head><mj-style>.a { color: #112233 } .a:hover { color: red }"
        "@media (prefers-color-scheme: dark) { .a { color: #ffffff !important } }</mj-style>"
        '</mj-head><mj-body><mj-section><mj-column><mj-text><b class="a">x</b></mj-text>'
        "</mj-column></mj-section></mj-body></mjml>"
    )
    html = fill(make_bundle(body), {}).html
    assert re.search(r'<b class="a" style="color: ?#112233;?">x</b>', html)
    assert "@media (prefers-color-scheme: dark)" in html
    assert ".a:hover" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="supported-color-schemes" content="light dark">' in html


def test_the_preheader_is_hidden_and_not_in_the_text() -> None:
    mail = fill(make_bundle(text("Hello"), preheader="News for {{ n }}"), {"n": "<Ana>"})
    assert re.search(
        r'<body[^>]*><div style="display:none[^"]*">News for &lt;Ana&gt;&#847;', mail.html
    )
    assert mail.text == "Hello\n"


def test_plain_html_is_a_body_too() -> None:
    body = "<h1>Hi {{ n }}</h1><style>h1 { color: red }</style><p>See <a href='{{ u }}'>it</a></p>"
    mail = fill(make_bundle(body, kind="html"), {"n": "<b>", "u": "https://c.test/?a=1&b=2"})
    assert '<html lang="en" dir="ltr"' in mail.html
    assert re.search('<h1 style="color: ?red;?">Hi &lt;b&gt;</h1>', mail.html)
    assert 'name="viewport"' in mail.html
    assert mail.text == "Hi <b>\n\nSee it <https://c.test/?a=1&b=2>\n"


def test_text_of_its_own_is_not_escaped_and_keeps_its_lines() -> None:
    own = "Hello {{ n }}\n\n{% for i in l %}\n* {{ i }}\n{% endfor %}\nBye\n"
    mail = fill(make_bundle(text("x"), files={"body.txt": own}), {"n": "<b>", "l": ["&", "2"]})
    assert mail.text == "Hello <b>\n\n* &\n* 2\nBye\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<a href="https://c.test">https://c.test</a>', "https://c.test"),
        ('<a href="https://c.test/?a=1&amp;b=2">Go</a>', "Go <https://c.test/?a=1&b=2>"),
        ('<a href="mailto:a@c.test">a@c.test</a>', "a@c.test"),
        ('<a href="{{ u }}">{{ u }}</a>', "https://c.test/x"),
        ('<a href="#top">Top</a>', "Top"),
        ('<a href="https://c.test"><img src="https://c.test/i.png" alt="Shop"></a>',
         "Shop <https://c.test>"),
        ("<ul><li>a</li><li>b</li></ul>", "* a\n* b"),
        ("{{ l | line_breaks }}", "one\ntwo <b>"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
    ],
)  # fmt: skip
def test_the_text_is_made_from_the_html(content: str, expected: str) -> None:
    data = {"u": "https://c.test/x", "l": "one\ntwo <b>"}
    assert text_of(text(content), data) == expected + "\n"


@pytest.mark.parametrize("alt", ["e\u0301", "a\u200bb", "C:\\new", "tab\tand\nline", "👩‍🚀"])
def test_attributes_come_through_mjml_as_they_are(alt: str) -> None:
    html = fill(make_bundle(column(f'<mj-image src="https://c.test/i" alt="{alt}" />')), {}).html
    (found,) = re.findall('alt="([^"]*)"', html)
    assert found == " ".join(alt.split())


def test_a_language_of_the_texts_may_hold_markup_the_author_vouches_for() -> None:
    body = text("{{ texts.terms | safe }} {{ texts.terms }}")
    html = fill(make_bundle(body, texts={"en": {"terms": "<b>Terms</b>"}}), {}).html
    assert "<b>Terms</b> &lt;b&gt;Terms&lt;/b&gt;" in html
