"""The header of an arrived mail: its fields in order, and the grammar that they share.

Whoever sent the mail wrote most of it: octets, fields and values are bounded, nothing raises.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_OCTETS = 256 * 1024
MOST_FIELDS = 400
MOST_CHARACTERS = 8_000  # of one value

type Kind = Literal["text", "quoted", "comment"]


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field, unfolded; `name` in small letters."""

    name: str
    value: str


def read_fields(content: bytes) -> tuple[HeaderField, ...]:
    """The fields of a mail (RFC 5322 section 2.2), topmost first."""
    head = content[:MOST_OCTETS].decode("utf-8", "replace").replace("\r\n", "\n")
    fields: list[tuple[str, list[str]]] = []
    for line in head.split("\n"):
        if not line.strip(" \t\r"):
            break
        if line[0] in " \t":
            if fields:
                fields[-1][1].append(line)
            continue
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if len(fields) == MOST_FIELDS:
            break
        fields.append((name.strip().lower()[:100], [value]))
    return tuple(HeaderField(name, _unfolded(lines)) for name, lines in fields)


def values_of(fields: Sequence[HeaderField], name: str) -> list[str]:
    """All values of a field, topmost first; `name` in small letters."""
    return [field.value for field in fields if field.name == name]


def tokens(value: str) -> Iterator[tuple[Kind, str]]:
    """Text, quoted strings and comments of a structured value (RFC 5322 section 3.2), in order.

    Quotes and the outer parentheses are taken off; what is never closed reaches to the end.
    """
    kind: Kind = "text"
    found: list[str] = []
    depth, escaped = 0, False
    for character in value:
        if escaped:
            found.append(character)
            escaped = False
        elif character == "\\" and kind != "text":
            escaped = True
        elif kind == "text" and character in '("':
            yield "text", "".join(found)
            found, depth = [], 1
            kind = "comment" if character == "(" else "quoted"
        elif kind == "quoted" and character == '"':
            yield "quoted", "".join(found)
            kind, found = "text", []
        elif kind == "comment" and character in "()":
            depth += 1 if character == "(" else -1
            if depth:
                found.append(character)
            else:
                yield "comment", "".join(found)
                kind, found = "text", []
        else:
            found.append(character)
    yield kind, "".join(found)


def plain(text: str, most: int = 200) -> str:
    """Text for people: one line of printable characters, cut short."""
    return "".join(c if c.isprintable() else " " for c in text[:most]).strip()


def _unfolded(lines: list[str]) -> str:
    return " ".join("".join(lines)[:MOST_CHARACTERS].split())
