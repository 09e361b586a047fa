"""Whatever is linted, it ends, soon, and without an exception."""

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.lint.document import MAX_ELEMENTS, read_document
from shared.lint.markup import find_faults
from shared.lint.stylesheet import MAX_RULES, MAX_STEPS
from shared.messages.model import Message
from tests.lint.mails import lint, make_message, rules

# Pieces that mean something to one of the readers, so that nonsense of them goes deep.
PIECES = [
    "<", ">", "</", "/>", "<!--", "-->", "<![if", "]>", "<?xml", '"', "'", "=", "&", "&#0;",
    "&#xD800;", "&nbsp", ";", "<p", "<div", "<table>", "<td", "<a href=", "<img src=", "<style>",
    "</style>", "<script>", "<title>", "<svg>", "<math>", "<template>", "<select>", "<b>", "</b>",
    " style=", " class=", " id=", " width=", "color:", "#fff", "rgb(", "url(", "{", "}", "@media",
    "@import", "prefers-color-scheme: dark", "!important", "font-size:", "1e99px", "-1", "%", "{{",
    "}}", "{%", "<%", "%>", "[NAME]", "https://", "http://[::1", "javascript:", "data:", "cid:x",
    "@", "a.b", "münchen.de", "xn--", "#", "\x00", "\t", "\n", "\r", "\u200b", "\u202e", "🎉", "é",
    "x" * 70, "1,249.90", "unsubscribe", "\ufeff", "content", " on", "onclick=", "<body", "<html",
    "<base href=", "<meta", "viewport", ":not(", ">", "+", "~", "\\", "/*", "*/",
]  # fmt: skip
NONSENSE = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)


def message(**fields: str | None) -> Message:
    """As a renderer may hand it over: without the model's own checks."""
    return make_message().model_copy(update=fields)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(html=NONSENSE, text=NONSENSE, subject=NONSENSE, bulk=st.booleans())
@example(html="<color:\ufeff><", text="", subject="Re\u2003: x", bulk=True)
def test_nothing_makes_it_raise(html: str, text: str, subject: str, bulk: bool) -> None:
    for finding in lint(
        message(html=html, text=text, subject=subject, category="bulk" if bulk else "transactional")
    ):
        assert finding.where.isprintable()
        assert finding.why.isprintable()
        assert len(finding.where) + len(finding.why) < 900


@settings(max_examples=100, deadline=None)
@given(css=NONSENSE, inline=NONSENSE)
def test_no_style_makes_it_raise(css: str, inline: str) -> None:
    quoted = inline.replace("&", "&amp;").replace('"', "&quot;").replace("\x00", "")
    lint(message(html=f'<style>{css}</style><p class="a" id="b" style="{quoted}">x</p>'))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    """Lone surrogates too, which no message has."""
    lint(message(html=text, text=text, subject=text))


@settings(max_examples=100, deadline=None)
@given(NONSENSE)
def test_faults_of_markup_are_in_the_source(source: str) -> None:
    lines = source.count("\n") + 1
    assert all(1 <= line <= lines for line, _ in find_faults(source))


LARGE = 400_000
FLOODS = [
    "<div>", "<b><i>", "<p style='color:#123'>x", "<a href='http://a.contoso.com'>a.b</a>",
    "<img src=x>", "<td>", "{{", "<%", "[TODO ", "%%a", "http://", "www.", "a.b.", "1 ", "1,249.90",
    "street ", "Rue a ", "DE-", "12345", "\n", "x", "é", "<!--", "-->", "<a '", '="', "&amp", "🎉",
    "\u200b", "<style>a{", "act now ", "<p class=a>", "@", "</p>", "<script>", "<title>",
]  # fmt: skip


@pytest.mark.parametrize("piece", FLOODS)
def test_a_flood_ends_soon(piece: str) -> None:
    """Generous for a loaded machine: what is quadratic takes minutes at this size."""
    flood = piece * (LARGE // len(piece))
    start = time.process_time()
    lint(message(html=flood, text=flood, subject=flood[:500], category="bulk"))
    assert time.process_time() - start < 20


def test_the_work_on_styles_is_bounded() -> None:
    """By count, not by the clock: many rules, each of which fits many elements."""
    rules_ = "".join(f"div div div p.c{i % 7} {{color:#{i:06x}}}\n" for i in range(1900))
    html = f"<style>{rules_}</style>" + "<div>" * 50 + "<p class='c1 c2 c3'>x</p>" * 5000
    document = read_document(html)
    assert document.styles.count <= MAX_RULES
    assert document.styles.steps <= MAX_STEPS + 60  # the rule at which it stops
    assert not document.whole
    assert "not-checked" in rules(lint(message(html=html)))


def test_the_number_of_elements_is_bounded() -> None:
    document = read_document("<br>" * 50_000)
    assert len(document.elements) == MAX_ELEMENTS
    assert not document.whole


def test_findings_are_bounded_whatever_is_sent() -> None:
    html = "".join(
        f'<p onclick=x style="color:#{i:06x};font-size:{i % 9}px">{{{{ a{i} }}}}<img src="http://'
        f'{i}.contoso.com"><a href="http://192.0.2.{i % 250}/">x</a></b><form>' for i in range(2000)
    )  # fmt: skip
    assert len(lint(message(html=html, text=html))) < 10 * 30
