"""Header text: whatever a caller writes, a reader reads."""

import re
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from shared.composing import compose
from shared.composing.words import ascii_file_name, encoded_words
from tests.composing.reading import DATE, MESSAGE_ID, decode, header_fields, make, send

PIECES = [
    "a", "Grüße", "é", "🎉", "👨‍👩‍👧", "שלום", "مرحبا", "日本語", " ", "  ", ",", ";", ":",
    '"', "\\", "(", ")", "<", ">", "@", "[", "]", ".", "=", "?", "_", "'", "%", "*", "/",
    "=?utf-8?q?x?=", "=?utf-8?b?eA==?=", "=?", "?=", "word", "x" * 90, "ü" * 40, "\u00a0",
    "\u3000", "\u200f", "\ufeff", "utf-8''", "%41", "&", "#", "\U0010ffff",
]  # fmt: skip
CHARACTERS = st.characters(
    codec="utf-8",
    exclude_categories=["Cc", "Cs"],
    exclude_characters="\u2028\u2029\u202d\u202e",
)


def lines(longest: int) -> st.SearchStrategy[str]:
    """One line of text as the model accepts it: no controls, no blanks at its ends."""
    return st.one_of(
        st.text(CHARACTERS, max_size=longest),
        st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
        st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join),
    ).map(lambda text: text[:longest].strip())


def as_the_new_reader(name: str, raw: str) -> str:
    """What the new reader can keep of a display name.

    It makes one blank of several, and puts one between adjacent encoded words, against RFC 2047
    section 6.2. The old reader does neither, and the exact comparison is with that one.
    """
    return re.sub(r"\s+", "" if "?= =?" in raw else " ", name)


FILE_NAMES = lines(200).filter(
    lambda name: name not in {"", ".", ".."} and not set(name) & set('/\\:*?"<>|')
)
LOCAL_PARTS = st.sampled_from(["ana", "o'brien", "a.b+c", '"a b"', '"a,b@c"', '"a\\"b"', "x=?y"])


@given(subject=lines(500), value=lines(2000), name=st.sampled_from(["X-A", "X-Case", "Comments"]))
@example(subject="=?utf-8?q?x?=", value="a" * 1500, name="X-A")
@example(subject="a  b", value="=?utf-8?q?a?= =?utf-8?q?b?=", name="X-A")
@example(subject="x" * 500, value="", name="X-A")
@example(subject="a" + " " * 400 + "b", value="é" * 2000, name="X-" + "A" * 70)
def test_free_text_reads_back_exactly(subject: str, value: str, name: str) -> None:
    assume(subject)
    mail = send(make(subject=subject, headers={name: value}))
    assert mail.text("Subject") == subject
    assert mail.text(name).strip() == value
    assert mail.new["subject"] == subject
    assert mail.new[name].strip() == value


@given(
    names=st.lists(lines(200), min_size=1, max_size=6),
    local_parts=st.lists(LOCAL_PARTS, min_size=6, max_size=6),
)
@example(
    names=["Doe, John (Sales)", '"', "\\", "a  b", "=?utf-8?q?x?=", "."], local_parts=["a"] * 6
)
def test_names_and_addresses_read_back_exactly(names: list[str], local_parts: list[str]) -> None:
    addresses = [
        {"email": f"{local}@example.com", "name": name}
        for name, local in zip(names, local_parts, strict=False)
    ]
    message = make(**{"from": addresses[0], "to": addresses, "cc": addresses})
    mail = send(message)
    expected = [(address.name, address.email) for address in message.to]
    for field in ("To", "Cc"):
        assert mail.addresses(field) == expected
        modern = [(a.display_name, a.addr_spec) for a in mail.new[field].addresses]
        raw = mail.raw(field)
        assert [(as_the_new_reader(name, raw), email) for name, email in modern] == [
            (as_the_new_reader(name, raw), email) for name, email in expected
        ]
    assert mail.addresses("From") == expected[:1]


@given(name=FILE_NAMES)
@example(name="=?utf-8?q?x?=.pdf".replace("?", ""))
@example(name="ü" * 196 + ".pdf")
@example(name="a" * 196 + ".pdf")
@example(name="'\u3000%41'  .pdf")
@example(name="\ufdfa" * 200)
def test_file_names_read_back_exactly(name: str) -> None:
    mail = send(make(attachments=[{"name": name, "content": b"x"}]))
    assert mail.old_file_names() == [name]
    leaf = mail.leaves()[1]
    assert leaf.get_filename() == name
    fallback = leaf["content-type"].params["name"]
    assert fallback.isascii()
    assert len(fallback) <= 200


@given(text=lines(300), field=st.sampled_from(["To", "Subject", "X" * 50, "X" * 76]))
def test_each_encoded_word_stands_alone(text: str, field: str) -> None:
    assume(text)
    words = encoded_words(text, field)
    assert "".join(decode(word) for word in words) == text
    assert max(map(len, words)) <= 75
    assert not any("\ufffd" in decode(word) for word in words) or "\ufffd" in text


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        ("invoice 1042.pdf", "invoice 1042.pdf"),
        ("Prüfbericht März.pdf", "Prufbericht_Marz.pdf"),
        ("請求書.xlsx", "attachment.xlsx"),
        ("レポート-2026.tar.gz", "-2026.tar.gz"),
        ("über", "uber"),
        ("a.日本", "a"),
        ("日本", "attachment"),
    ],
)
def test_old_readers_get_an_ascii_file_name(name: str, fallback: str) -> None:
    assert ascii_file_name(name) == fallback


def test_plain_words_stay_readable_and_fold_between_words() -> None:
    subject = " ".join(["invoice"] * 30)
    references = " ".join(f"<{number}.abcdefgh@mail.example.com>" for number in range(6))
    message = make(subject=subject, headers={"References": references.replace("> <", ">  <")})
    mail = send(message)
    assert mail.raw("Subject") == subject
    assert mail.raw("References") == references
    assert b"=?" not in mail.header
    assert max(map(len, mail.header.split(b"\r\n"))) <= 76


def test_a_thousand_addresses_fold() -> None:
    addresses = [
        {"email": f"person{n}@example.com", "name": f"Person {n}, Größe"} for n in range(1000)
    ]
    mail = send(make(to=addresses))
    assert mail.addresses("To") == [(a["name"], a["email"]) for a in addresses]


def test_names_are_quoted_only_where_they_must_be() -> None:
    names = ["Ana Lopez", "Dr. Lopez", 'The "Boss"', "Peña"]
    to = [{"email": "a@b.example", "name": name} for name in names]
    fields = dict(header_fields(send(make(to=to)).content))
    assert fields["To"] == (
        'Ana Lopez <a@b.example>, "Dr. Lopez" <a@b.example>,'
        ' "The \\"Boss\\"" <a@b.example>, =?utf-8?b?UGXDsWE=?= <a@b.example>'
    )


def test_a_long_name_folds_although_it_needs_quotes() -> None:
    name = "Contoso Ltd., Department of " + "Payable " * 15
    mail = send(make(to=[{"email": "a@b.example", "name": name}]))
    assert max(map(len, mail.header.split(b"\r\n"))) <= 76
    assert mail.addresses("To") == [(name.strip(), "a@b.example")]


def test_the_header_in_its_order() -> None:
    mail = send(
        make(
            cc=[{"email": "b@example.com"}],
            reply_to=[{"email": "help@bücher.example"}],
            headers={"X-Contoso-Case": "77"},
        ),
        {"X-Mailroom-Id": "0192f"},
    )
    assert header_fields(mail.content) == [
        ("Date", "Mon, 23 Nov 2026 06:31:05 +0000"),
        ("From", "Contoso Billing <billing@example.com>"),
        ("To", "Ana <ana@example.com>"),
        ("Cc", "b@example.com"),
        ("Reply-To", "help@xn--bcher-kva.example"),
        ("Subject", "Your invoice 1042"),
        ("Message-ID", MESSAGE_ID),
        ("X-Contoso-Case", "77"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("X-Mailroom-Id", "0192f"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=us-ascii"),
        ("Content-Transfer-Encoding", "7bit"),
    ]


@pytest.mark.parametrize("value", ["no", "auto-replied"])
def test_the_caller_may_say_how_it_was_submitted(value: str) -> None:
    fields = header_fields(send(make(headers={"auto-submitted": value})).content)
    assert [f for f in fields if "auto" in f[0].lower()] == [("auto-submitted", value)]


def test_own_fields_replace_the_callers() -> None:
    mail = send(make(headers={"feedback-id": "caller"}), {"Feedback-ID": "own"})
    assert mail.old.get_all("Feedback-ID") == ["own"]


@pytest.mark.parametrize(
    ("to", "cc", "expected"),
    [
        ([], [], [("To", "undisclosed-recipients:;")]),
        ([], ["c@example.com"], [("Cc", "c@example.com")]),
        (["t@example.com"], [], [("To", "t@example.com")]),
    ],
)
def test_bcc_is_never_written(to: list[str], cc: list[str], expected: Any) -> None:
    secret = [{"email": "hidden.one@secret.example", "name": "Hidden One"}]
    people = {"to": [{"email": e} for e in to], "cc": [{"email": e} for e in cc]}
    mail = send(make(**people, bcc=secret))
    assert b"hidden" not in mail.content.lower()
    assert b"bcc" not in mail.content.lower()
    assert [f for f in header_fields(mail.content) if f[0] in {"To", "Cc"}] == expected
    assert mail.new["from"] is not None
    assert mail.new.defects == []


@given(name=lines(100), place=st.sampled_from(["to", "cc", "reply_to"]))
@settings(max_examples=40)
def test_non_ascii_local_parts_are_raw_utf8(name: str, place: str) -> None:
    mail = send(make(**{place: [{"email": "pelé.größe@bücher.example", "name": name}]}))
    assert mail.composed.smtputf8
    assert mail.header.count("pelé.größe@xn--bcher-kva.example".encode()) == 1
    field = place.replace("_", "-").title()
    assert mail.addresses(field) == [(name, "pelé.größe@xn--bcher-kva.example")]


def test_a_non_ascii_bcc_needs_smtputf8_but_leaves_the_content_ascii() -> None:
    mail = send(make(bcc=[{"email": "pelé@example.com"}]))
    assert mail.composed.smtputf8
    assert mail.content.isascii()
    assert not send(make(bcc=[{"email": "pele@example.com"}])).composed.smtputf8


@given(subject=lines(200), text=st.text(CHARACTERS))
@settings(max_examples=30)
def test_a_retry_gives_the_same_octets(subject: str, text: str) -> None:
    message = make(subject=subject or "x", text=text or "x", html=f"<p>{text}</p>")
    first, second = (compose(message, message_id=MESSAGE_ID, date=DATE) for _ in range(2))
    assert first == second
    assert compose(message, message_id="<other@contoso.test>", date=DATE) != first
