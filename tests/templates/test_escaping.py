"""Any data: HTML holds it escaped, the subject is one line, the text has each link."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import TemplateError
from shared.templates.fast import essence
from shared.templates.filters import LocalFilters
from shared.templates.rendering import Filling, Mail, Rendering
from tests.templates.sources import BRAND, LIMIT, column, make_bundle

BODY = column(
    '<mj-text css-class="c">A {{ x }} B <b title="{{ x }}">{{ x | upper }}</b></mj-text>'
    '{% if x %}<mj-image src="https://c.test/i.png" alt="{{ x }}" />{% endif %}'
    "{% for y in ys %}<mj-text>[{{ y }}]</mj-text>{% endfor %}"
    '<mj-button href="https://c.test/?q={{ x }}">Go {{ x }}</mj-button>'
    '<mj-text><!-- {{ x }} --><a href="{{ link }}">{{ x | line_breaks }}</a></mj-text>'
    "<mj-table>{% for y in ys %}<tr><td>{{ y }}</td><td>{{ x }}</td></tr>{% endfor %}</mj-table>"
)
FAST = Rendering(
    make_bundle(
        BODY, subject="{{ x }} {{ ys | join }}", preheader="P {{ x }}",
        sample={"x": "a", "ys": ["b"], "link": "https://c.test"},
    ),
    "en", BRAND, limit=LIMIT,
)  # fmt: skip
SLOW = Rendering(
    make_bundle(
        BODY.replace("<mj-text css-class", '{% if "" | safe %}{% endif %}<mj-text css-class'),
        subject="{{ x }} {{ ys | join }}", preheader="P {{ x }}",
    ),
    "en", BRAND, limit=LIMIT,
)  # fmt: skip
WAYS = pytest.mark.parametrize("rendering", [FAST, SLOW], ids=["fast", "slow"])

# Any Unicode, halves of surrogate pairs included, and what is apt to break out.
TEXTS = st.text(max_size=40) | st.text(
    alphabet=st.sampled_from("<>\"'&;:/-=!{}%#\\`\x00\x1b\r\n\t \u2028\u202e\ud800\ue000n1z("),
    max_size=40,
) | st.sampled_from(
    ["<script>alert(1)</script>", '" onload="x', "-->", "]]>", "{{ brand }}", "{% raw %}",
     "</style>", "<![endif]-->", "&lt;b&gt;", "\ue0001\ue001", "held0n1z"]
)  # fmt: skip


def mail_of(rendering: Rendering, **data: Any) -> Mail:
    return rendering.render(Filling(data, {}, LocalFilters("en", "UTC")))


class Elements(HTMLParser):
    """The tags and attribute names of a document, in order, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Any] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))
        if tag == "a":
            self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_two_ways_are_two() -> None:
    assert FAST.fast is not None
    assert SLOW.fast is None


@WAYS
@settings(deadline=None, max_examples=150)
@given(x=TEXTS.filter(bool), ys=st.lists(TEXTS, max_size=3))
def test_data_changes_no_tag_and_no_attribute(rendering: Rendering, x: str, ys: list[str]) -> None:
    plain = mail_of(rendering, x="word", ys=["word"] * len(ys), link="https://c.test")
    mail = mail_of(rendering, x=x, ys=ys, link="https://c.test")
    breaks: tuple[str, list[str]] = ("br", [])
    assert [f for f in Elements(mail.html).found if f != breaks] == [
        f for f in Elements(plain.html).found if f != breaks
    ]
    assert "held" not in re.sub("held0n1z", "", mail.html)


@WAYS
@settings(deadline=None, max_examples=100)
@given(x=TEXTS, ys=st.lists(TEXTS, max_size=3))
def test_the_subject_is_one_line(rendering: Rendering, x: str, ys: list[str]) -> None:
    subject = mail_of(rendering, x=x, ys=ys, link="https://c.test").subject
    assert len(subject.splitlines()) <= 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]", subject)
    subject.encode()


LINKS = st.builds(
    lambda path, word: f"https://c.test/{path}?q={word}",
    st.text(max_size=30), st.text(alphabet="&=%#+ <>\"'()[]\n\t", max_size=10),
)  # fmt: skip


@WAYS
@settings(deadline=None, max_examples=150)
@given(x=TEXTS, link=LINKS)
def test_the_text_has_each_link(rendering: Rendering, x: str, link: str) -> None:
    mail = mail_of(rendering, x=x, ys=["a", "b"], link=link)
    links = Elements(mail.html).links
    assert len(links) == 2
    for target in links:
        assert target in mail.text
    mail.text.encode()
    mail.html.encode()


@settings(deadline=None, max_examples=150)
@given(x=TEXTS, ys=st.lists(TEXTS, max_size=3), link=LINKS)
def test_both_ways_make_the_same(x: str, ys: list[str], link: str) -> None:
    data = {"x": x, "ys": ys, "link": link}
    fast, slow = mail_of(FAST, **data), mail_of(SLOW, **data)
    assert (fast.subject, fast.text) == (slow.subject, slow.text)
    assert essence(fast.html) == essence(slow.html)


@WAYS
@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", " JaVa\tscript:x", "data:text/html,x", "vbscript:x", "file:/x"]
)
def test_a_target_of_another_scheme_is_refused(rendering: Rendering, link: str) -> None:
    with pytest.raises(TemplateError, match="scheme") as refused:
        mail_of(rendering, x="a", ys=[], link=link)
    assert refused.value.file == "body.mjml"
    assert refused.value.line == 2


@settings(deadline=None, max_examples=100)
@given(value=TEXTS)
def test_css_and_attributes_with_a_meaning_take_plain_values_alone(value: str) -> None:
    bundle = make_bundle(
        column('<mj-text color="{{ c }}"><b style="color:{{ c }}">x</b></mj-text>'),
        sample={"c": "red"},
    )
    rendering = Rendering(bundle, "en", BRAND, limit=LIMIT)
    if re.fullmatch(r"[\w#%.,+/ -]*", value):
        html = mail_of(rendering, c=value).html
        assert Elements(html).found == Elements(mail_of(rendering, c="red").html).found
    else:
        with pytest.raises(TemplateError) as refused:
            mail_of(rendering, c=value)
        assert refused.value.line == 2
