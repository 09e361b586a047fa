"""No field that goes to a header takes a line break, a control or what disguises text."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.messages.parsing import parse_message
from tests.messages.drafts import as_body, draft, read, refusal

EVIL = ["\r\n", "\n", "\r", "\0", "\t", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x80", "\x85",
        "\x9f", "\u2028", "\u2029", "\u202d", "\u202e"]  # fmt: skip


ADDRESSES = ["from_", "to", "cc", "bcc", "reply_to"]

type Write = Callable[[str], dict[str, Any]]


def address(field: str, member: str) -> Write:
    """A draft with the text as an address of the field, or as the name beside it."""

    def write(text: str) -> dict[str, Any]:
        one = {"email": "billing@contoso.test" if field == "from_" else "ana@example.com"}
        one[member] = text
        return draft(**{field: one if field == "from_" else [one]})

    return write


def attachment(member: str) -> Write:
    return lambda text: draft(attachments=[{"name": "a", "content": "", member: text}])


# For each field: how it is written, and texts that would each be right without the evil in them.
FIELDS: dict[str, tuple[Write, list[str]]] = {
    **{
        f"{field}/email": (
            address(field, "email"),
            ["ana{}x@example.com", '"ana{}x"@example.com', "ana@exam{}ple.com", "{}ana@x.com"],
        )
        for field in ADDRESSES
    },
    **{
        f"{field}/name": (address(field, "name"), ["Ana{}Bcc: eve@example.com", "{}Ana", "Ana{}"])
        for field in ADDRESSES
    },
    "subject": (lambda text: draft(subject=text), ["Invoice{}Bcc: eve@example.com", "Invoice{}"]),
    "id": (lambda text: draft(id=text), ["a{}b", "a{}"]),
    "topic": (lambda text: draft(topic=text), ["a{}b", "a{}"]),
    "category": (lambda text: draft(category=text), ["transactional{}"]),
    "priority": (lambda text: draft(priority=text), ["high{}"]),
    "send_at": (lambda text: draft(send_at=text), ["2026-12-01T08:00:00Z{}"]),
    "template": (lambda text: draft(text=None, template={"name": text}), ["in{}voice", "x{}"]),
    "attachments/name": (attachment("name"), ["in{}voice.pdf", "a{}"]),
    "attachments/content_type": (attachment("content_type"), ["text/plain{}", "te{}xt/plain"]),
    "attachments/inline_id": (attachment("inline_id"), ["lo{}go", "logo{}"]),
    "headers/value": (
        lambda text: draft(headers={"X-Case": text}), ["77{}Bcc: eve@example.com", "77{}", "{}"],
    ),
    "headers/name": (lambda text: draft(headers={text: "77"}), ["X-Case{}Bcc", "X-Case{}"]),
    "tags/value": (lambda text: draft(tags={"customer": text}), ["7{}7", "{}"]),
    "tags/name": (lambda text: draft(tags={text: "77"}), ["a{}b"]),
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_header_is_one_line_of_text(field: str) -> None:
    write, texts = FIELDS[field]
    place = field.partition("/")[0].removesuffix("_")
    for text in texts:
        parse_message(as_body(write(text.replace("{}", "").replace("Bcc: eve@example.com", ""))))
        for evil in EVIL:
            refused = refusal(as_body(write(text.format(evil))))
            assert all(p.field.startswith(f"/{place}") for p in refused.problems)
            assert evil not in str(refused)
            assert "eve@" not in str(refused)


@pytest.mark.parametrize("evil", ["\0", "\x08", "\x0b", "\x0c", "\x1b", "\x7f"], ids=ascii)
@pytest.mark.parametrize("field", ["text", "html"])
def test_a_body_has_no_controls_but_tabs_and_line_ends(field: str, evil: str) -> None:
    refused = refusal(as_body(draft(**{field: f"one{evil}two"})))
    assert [p.field for p in refused.problems] == [f"/{field}"]


def test_tabs_and_line_ends_are_text() -> None:
    assert read(text="a\tb\r\nc\nd\u2028e\u202ef").text == "a\tb\r\nc\nd\u2028e\u202ef"


def test_blanks_around_a_line_are_taken_off() -> None:
    message = read(
        subject="  Invoice \u00a0", from_={"email": "billing@contoso.test", "name": " Contoso "}
    )
    assert (message.subject, message.sender.name) == ("Invoice", "Contoso")


@pytest.mark.parametrize(
    "text",
    [
        "\N{HEBREW LETTER ALEF}\u200f, \u200eab",  # marks of direction
        "\u2066\N{ARABIC LETTER BEH}\u2069",  # isolates
        "\N{ARABIC LETTER HEH}\u200c\N{ARABIC LETTER ALEF}",  # a non-joiner, ordinary Persian
        "\N{WOMAN}\u200d\N{GIRL}",  # a joiner
    ],
    ids=ascii,
)
def test_ordinary_marks_of_scripts_are_kept(text: str) -> None:
    assert read(subject=text).subject == text
