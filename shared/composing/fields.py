"""Header fields as lines: checked, encoded, folded (RFC 5322 section 2.2.3).

A field is made from tokens that are joined by one blank and folded only there. Each token is
either matched against its grammar or comes from an encoder, so that no line break but a fold's can
leave this module.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from shared.composing.words import LINE, encoded_words, looks_encoded
from shared.errors import ComposeError
from shared.messages.model import Address

LONGEST_LINE = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""

_LONGEST_PHRASE_TOKEN = 60

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
# RFC 6532 section 3.2 adds all of Unicode beyond ASCII; its controls are refused before.
_UTEXT = _ATEXT + "\u00a0-\U0010ffff"
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_ATOMS = re.compile(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*")
_QUOTABLE = re.compile(r"[!-~]+(?: [!-~]+)*")
_LOCAL_PART = re.compile(
    rf'[{_UTEXT}]+(?:\.[{_UTEXT}]+)*|"(?:[ !#-\[\]-~\u00a0-\U0010ffff]|\\[ -~])+"'
)
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_MESSAGE_ID = re.compile(rf"<[{_ATEXT}.]{{1,200}}@[A-Za-z0-9.-]{{1,255}}>")
_MESSAGE_ID_FIELDS = frozenset({"in-reply-to", "references"})


def check_line(field: str, value: str) -> None:
    """Refuse what would break a line or cannot be written as UTF-8."""
    if _UNSAFE.search(value):
        raise ComposeError(
            f"{field} holds a line break, a control character or half a surrogate pair.",
            fix="Remove it: a header field is one line of text.",
        )


def fold(name: str, tokens: Iterable[str]) -> bytes:
    """The field's lines with their CRLF: at most 76 columns where the tokens allow it."""
    lines: list[str] = []
    line = f"{name}:"
    first = True
    for token in tokens:
        # The first token stays beside the name (many readers expect it), an encoded word only
        # where it fits.
        if len(line) + len(token) < LINE or (first and not looks_encoded(token)):
            line = f"{line} {token}"
        else:
            lines.append(line)
            line = f" {token}"
        first = False
    lines.append(line)
    if _UNSAFE.search("".join(lines)):
        raise ComposeError(
            f"{name} would hold a line break or a control character.",
            fix="This is a fault of Mailroom: report it with the message's id.",
        )
    encoded = "\r\n".join(lines).encode() + b"\r\n"
    if len(encoded) > LONGEST_LINE and max(map(len, encoded.split(b"\r\n"))) > LONGEST_LINE:
        raise ComposeError(
            f"{name} holds a word of more than {LONGEST_LINE} octets, which mail cannot carry.",
            fix="Shorten it, or put blanks into it.",
        )
    return encoded


def unstructured(name: str, value: str) -> bytes:
    """A field of free text. Plain words stay as they are, all else becomes encoded words.

    Encoded words also keep runs of blanks exact, which a fold could spoil, text that looks like an
    encoded word, and words that are too long for a line.
    """
    if not _FIELD_NAME.fullmatch(name):
        raise ComposeError(
            "A header field's name is not one (RFC 5322 section 3.6.8).",
            fix="Use printable ASCII without blanks and colons, at most 76 characters.",
        )
    check_line(f"The header field {name}", value)
    if value.isascii() and name.lower() in _MESSAGE_ID_FIELDS:
        value = " ".join(value.split())
    if not value:
        return fold(name, ())
    if _PLAIN.fullmatch(value) and not looks_encoded(value):
        tokens = value.split(" ")
        if len(value) + len(name) < LONGEST_LINE - 1 or (
            max(map(len, tokens)) + len(name) < LONGEST_LINE - 1
        ):
            return fold(name, tokens)
    return fold(name, encoded_words(value, name))


def own_field(name: str, value: str) -> bytes:
    """One of Mailroom's own extra fields, for machines: plain ASCII as it stands, or an error."""
    if not _FIELD_NAME.fullmatch(name) or not _PLAIN.fullmatch(value):
        raise ComposeError(
            "One of Mailroom's own header fields is not plain ASCII.",
            fix="Write it as printable ASCII words with single blanks between them.",
        )
    return fold(name, value.split(" "))


def addr_spec(field: str, email: str) -> str:
    """The address, if it can stand in a header field; its domain must be in A-labels."""
    check_line(field, email)
    local_part, _, domain = email.rpartition("@")
    if not (_LOCAL_PART.fullmatch(local_part) and _DOMAIN.fullmatch(domain)):
        raise ComposeError(
            f"{field} holds an address that RFC 5322 does not know.",
            fix="Give local-part@domain, with an international domain as A-labels (xn--…).",
        )
    return email


def _phrase(field: str, name: str) -> list[str]:
    check_line(field, name)
    if not looks_encoded(name):
        if _ATOMS.fullmatch(name):
            atoms = name.split(" ")
            if max(map(len, atoms)) <= _LONGEST_PHRASE_TOKEN:
                return atoms
        # A quoted string is never folded: readers differ on what a fold inside one means.
        elif len(name) <= _LONGEST_PHRASE_TOKEN and _QUOTABLE.fullmatch(name):
            return ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"']
    return encoded_words(name, field)


def address_list(name: str, addresses: Sequence[Address]) -> bytes:
    """An address field, folded between addresses and between their words."""
    tokens: list[str] = []
    for address in addresses:
        spec = addr_spec(name, address.email)
        if address.name:
            tokens += _phrase(name, address.name)
            tokens.append(f"<{spec}>,")
        else:
            tokens.append(f"{spec},")
    tokens[-1] = tokens[-1].removesuffix(",")
    return fold(name, tokens)


def message_id_field(message_id: str) -> bytes:
    """The Message-ID field; `message_id` comes with its angle brackets (RFC 5322 section 3.6.4)."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ComposeError(
            "The Message-ID is not one.", fix="Give <left@right> of dot-atoms, with the brackets."
        )
    return fold("Message-ID", (message_id,))


def date_field(date: datetime) -> bytes:
    """The Date field, in UTC."""
    if date.tzinfo is None:
        raise ComposeError("The date has no time zone.", fix="Give an aware datetime.")
    return fold("Date", format_datetime(date.astimezone(UTC)).split(" "))
