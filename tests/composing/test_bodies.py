"""Bodies, files and their structure: what goes in comes out."""

import os
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.composing import compose, encoded_size
from shared.composing.mail import OWN_FIELDS_RESERVE
from shared.composing.transfer import canonical
from tests.composing.reading import DATE, MESSAGE_ID, make, send, tree

PIECES = [
    "Grüße", "a", " ", "\t", "\n", "\r\n", "\r", "\n\n", ".\n", "\n.\n", "..", "From me\n", "=",
    "=\n", "=20", "日本語", "🎉", "x" * 75, "x" * 76, "x" * 999, "word " * 200, " \n", "\t\r\n",
    "--=_", "\n--=_", f"\n--=_{'0' * 32}_mixed--\n", "\u2028", "\x85", "\ufeff", "-- \n", "é" * 40,
]  # fmt: skip
BODIES = st.one_of(
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\t\r\n\x85"
        ),
        max_size=600,
    ),
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
)
HTML = '<p>Hi</p><img src="cid:logo@mail">'
LOGO = {
    "name": "logo.png",
    "content_type": "image/png",
    "content": b"\x89PNG",
    "inline_id": "logo@mail",
}
FILE = {"name": "a.pdf", "content_type": "application/pdf", "content": b"%PDF"}


def read(part: Any) -> str:
    """The part's text with plain line feeds."""
    text: str = part.get_payload(decode=True).decode(part.get_content_charset())
    return text.replace("\r\n", "\n")


def longest_line(part: Any) -> int:
    return max(map(len, part.get_payload().splitlines()), default=0)


def plain(text: str) -> str:
    """The text as a reader gets it: line feeds, the last line ended."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"


@given(text=BODIES, html=BODIES)
@example(text="a" * 74 + " \nb é", html="é" + "a" * 73 + "\t\nb")
@example(text="é" * 5000, html="e" * 2000)
@example(text="\n", html=" ")
def test_bodies_read_back_exactly(text: str, html: str) -> None:
    mail = send(make(text=text or "x", html=html or "x"))
    first, second = mail.leaves()
    assert [first.get_content_type(), second.get_content_type()] == ["text/plain", "text/html"]
    assert [read(first), read(second)] == [plain(text or "x"), plain(html or "x")]
    assert tree(mail.old) == ["alternative", "text/plain", "text/html"]
    for part in (first, second):
        limit = 998 if part["content-transfer-encoding"] == "7bit" else 76
        assert longest_line(part) <= limit


@given(text=BODIES)
def test_a_single_body_needs_no_boundary(text: str) -> None:
    mail = send(make(text=text or "x"))
    assert not mail.new.is_multipart()
    assert read(mail.new) == plain(text or "x")


@pytest.mark.parametrize(
    ("text", "charset", "encoding"),
    [
        ("Hello\n", "us-ascii", "7bit"),
        ("From here\n.\n-- \n", "us-ascii", "7bit"),
        ("x" * 998, "us-ascii", "7bit"),
        ("x" * 999, "us-ascii", "quoted-printable"),
        ("--=_\n", "us-ascii", "quoted-printable"),
        ("Grüße aus Berlin, alles wie besprochen.", "utf-8", "quoted-printable"),
        ("日本語の本文です。", "utf-8", "base64"),
    ],
)
def test_the_encoding_follows_the_content(text: str, charset: str, encoding: str) -> None:
    mail = send(make(text=text))
    assert mail.new.get_content_charset() == charset
    assert mail.new["content-transfer-encoding"] == encoding
    assert "format" not in mail.new["content-type"].params


@given(content=st.binary(max_size=400), copies=st.sampled_from([1, 73, 500]))
def test_attachments_read_back_exactly(content: bytes, copies: int) -> None:
    content *= copies
    mail = send(
        make(attachments=[{"name": "a.csv", "content_type": "text/csv", "content": content}])
    )
    leaf = mail.leaves()[1]
    assert leaf.get_payload(decode=True) == content
    assert leaf.get_content_charset() is None
    assert longest_line(leaf) <= 76


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 29183, 29184, 29185, 58368, 100_000])
def test_base64_at_the_edges_of_lines_and_blocks(size: int) -> None:
    content = os.urandom(size)
    mail = send(make(attachments=[{"name": "a", "content": content}]))
    body = mail.content.split(b'filename="a"\r\n\r\n')[1].split(b"\r\n--")[0]
    *full, last, end = body.split(b"\r\n") if content else (b"", b"")
    assert mail.leaves()[1].get_payload(decode=True) == content
    assert {len(line) for line in full} <= {76}
    assert len(last) <= 76
    assert end == b""


STRUCTURES = {
    # (text, html, inline image, attachment)
    (1, 0, 0, 0): "text/plain",
    (0, 1, 0, 0): "text/html",
    (1, 1, 0, 0): ["alternative", "text/plain", "text/html"],
    (0, 1, 1, 0): ["related", "text/html", "image/png"],
    (1, 1, 1, 0): ["alternative", "text/plain", ["related", "text/html", "image/png"]],
    (1, 0, 0, 1): ["mixed", "text/plain", "application/pdf"],
    (0, 1, 0, 1): ["mixed", "text/html", "application/pdf"],
    (1, 1, 0, 1): ["mixed", ["alternative", "text/plain", "text/html"], "application/pdf"],
    (0, 1, 1, 1): ["mixed", ["related", "text/html", "image/png"], "application/pdf"],
    (1, 1, 1, 1): [
        "mixed",
        ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        "application/pdf",
    ],
    # without HTML an inline image is an attachment
    (1, 0, 1, 0): ["mixed", "text/plain", "image/png"],
    (1, 0, 1, 1): ["mixed", "text/plain", "image/png", "application/pdf"],
}


@pytest.mark.parametrize("has", [has for has in product((0, 1), repeat=4) if has[0] or has[1]])
def test_each_combination_nests_as_readers_expect(has: tuple[int, int, int, int]) -> None:
    text, html, inline, attached = has
    files = [LOGO] * inline + [FILE] * attached
    mail = send(make(text="Hi" if text else None, html=HTML if html else None, attachments=files))
    assert tree(mail.new) == tree(mail.old) == STRUCTURES[has]
    for part in mail.new.walk():
        assert part.defects == []
        assert not any(getattr(value, "defects", ()) for value in part.values())
        if part.get_content_subtype() == "related":
            assert part["content-type"].params["type"] == "text/html"
    found = {leaf.get_filename(): leaf for leaf in mail.leaves()}
    if inline:
        assert found["logo.png"].get_content_disposition() == ("inline" if html else "attachment")
        assert found["logo.png"]["content-id"] == ("<logo@mail>" if html else None)
        assert found["logo.png"].get_payload(decode=True) == b"\x89PNG"
    if attached:
        assert found["a.pdf"].get_content_disposition() == "attachment"


@pytest.mark.parametrize(
    ("inline_id", "html", "shown"),
    [
        ("logo", '<img src="cid:logo">', True),
        ("logo", "<img src='CID:logo'>", True),
        ("logo", "<img src=cid:logo>", True),
        ("logo", '<td style="background:url(cid:logo)">', True),
        ("logo", "<td style=\"background:url('cid:logo')\">", True),
        ("logo", '<td style="background:url(&quot;cid:logo&quot;)">', True),
        ("a&b@x", '<img src="cid:a&amp;b@x">', True),
        ("a%b", '<img src="cid:a%25b">', True),
        ("it's", '<img src="cid:it\'s">', True),
        ("logo", '<img src="cid:logo2">', False),
        ("logo", '<img src="logo">', False),
        ("logo", "<p>Hi</p>", False),
    ],
)
def test_an_image_is_inline_where_the_html_shows_it(
    inline_id: str, html: str, *, shown: bool
) -> None:
    mail = send(make(html=html, attachments=[{**LOGO, "inline_id": inline_id}]))
    leaf = mail.leaves()[-1]
    assert leaf.get_content_disposition() == ("inline" if shown else "attachment")
    assert leaf["content-id"] == (f"<{inline_id}>" if shown else None)


def test_no_content_can_end_a_part_early() -> None:
    first = send(make(html=HTML, attachments=[LOGO, FILE]))
    boundaries = re.findall(r'boundary="([^"]+)"', first.content.decode())
    assert len(set(boundaries)) == 3
    forged = "\r\n".join(f"x\r\n--{b}\r\n\r\nforged\r\n--{b}--" for b in boundaries)
    text, html = forged, HTML + forged
    file = FILE | {"content": forged.encode(), "content_type": "text/plain"}
    mail = send(make(text=text, html=html, attachments=[LOGO, file]))
    assert re.findall(r'boundary="([^"]+)"', mail.content.decode()) == boundaries
    assert tree(mail.new) == [
        "mixed",
        ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        "text/plain",
    ]
    leaves = mail.leaves()
    assert [read(leaves[0]), read(leaves[1])] == [plain(text), plain(html)]
    assert leaves[3].get_payload(decode=True) == forged.encode()


@given(
    text=BODIES,
    html=BODIES,
    sizes=st.lists(st.integers(0, 70_000), max_size=4),
    repeat=st.sampled_from([1, 40]),
    names=st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"])), max_size=5),
)
@example(text="word \n" * 40 + "é", html="word\t\n" * 40 + "é", sizes=[], repeat=40, names=[])
@example(text=".\n.\n", html=("a" * 73 + "é") * 20, sizes=[0], repeat=40, names=[])
@settings(max_examples=60)
def test_the_size_is_known_beforehand(
    text: str, html: str, sizes: list[int], repeat: int, names: list[str]
) -> None:
    files = [
        {"name": f"Größe {n}.bin", "content": bytes(size), "inline_id": f"i{n}"}
        for n, size in enumerate(sizes)
    ]
    message = make(
        text=text * repeat or "x",
        html=html * repeat or "x",
        attachments=files,
        cc=[{"email": "c@example.com", "name": name} for name in names],
    )
    reckoned = encoded_size(message)
    real = compose(message, message_id=MESSAGE_ID, date=DATE).size
    assert real <= reckoned - OWN_FIELDS_RESERVE + len(f"Message-ID: {MESSAGE_ID}\r\n")
    assert reckoned - OWN_FIELDS_RESERVE <= real * 1.05


def test_the_size_covers_all_of_mailrooms_own_fields() -> None:
    message = make(attachments=[{"name": "a", "content": bytes(1000)}])
    own = {f"X-Mailroom-{number}": "v" * 900 for number in range(4)}
    mail = send(message, own)
    assert mail.composed.size <= encoded_size(message)


@given(text=BODIES)
def test_the_canonical_text_has_only_crlf(text: str) -> None:
    octets = canonical(text)
    assert octets.endswith(b"\r\n")
    assert octets.replace(b"\r\n", b"\n").decode() == plain(text)
