"""HTML as its reader sees it, and what it carries besides: comments, attributes, links, styles.

One pass, without a parser's tree: every character knows where it stands in the source, so that a
number that tags and entities cut to pieces is found, and can be masked without touching the tags.
Broken markup is read much as browsers read it; nothing of it is skipped.
"""

import html
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from shared.guard.reading import Reading, lowered

Layer = Literal["text", "comments", "attributes", "links"]

# Tags that part no word; what stands before and after them is one.
_INLINE = frozenset([
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "img", "ins", "kbd", "label", "mark", "nobr", "o:p", "q", "s", "samp", "small",
    "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
])  # fmt: skip
_CELLS = frozenset(["td", "th"])
_RAW = frozenset(["script", "style"])
_LINKS = frozenset(["href", "src", "action", "background", "cite", "formaction", "data-href"])

_PIECE = re.compile(
    r"&(?:#[0-9]{1,7}+|#[xX][0-9a-fA-F]{1,6}+|[a-zA-Z][a-zA-Z0-9]{1,31}+);?|\s++|[^&\s]++|&"
)
_CODED = re.compile(r"[&\t\n\r\v\f]|\s\s")  # what is not read as it is written
_URL_PIECE = re.compile(r"(?:%[0-9a-fA-F]{2})++|[^%]++|%")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:-]{0,30}")
_ATTRIBUTE = re.compile(r"[\s/]*+([^\s=>/\"'][^\s=>/]*+)(?:\s*+=\s*+(\"|'|[^\s>\"']++)?)?")
_SHORTEST = 6  # characters of a value that may hold anything
_DENSE = re.compile(
    r"(?:[0-9][ .-]?){8}|[\w+/=]{16}|&|pass|pw"
)  # …and in a style, what must be there
SEPARATOR = "\f"  # between values that have nothing to do with each other


@dataclass(slots=True)
class _Layer:
    """A reading that is being made, piece by piece."""

    pieces: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    size: int = 0

    def add(self, text: str, start: int, end: int) -> None:
        """Characters that together stand in the source from start to end; the same for both is
        what does not stand in it."""
        self.pieces.append(text)
        self.offsets.append(self.size)
        self.starts.append(start)
        self.ends.append(end)
        self.size += len(text)

    def part(self, text: str, at: int) -> None:
        """Parts what comes from what was, once."""
        if self.pieces and self.pieces[-1] != text:
            self.add(text, at, at)

    def done(self) -> Reading:
        return Reading("".join(self.pieces), self.offsets, self.starts, self.ends)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.lower = lowered(source)
        self.layers: dict[Layer, _Layer] = {
            "text": _Layer(), "comments": _Layer(), "attributes": _Layer(), "links": _Layer(),
        }  # fmt: skip

    def read(self) -> None:
        at, size = 0, len(self.source)
        while at < size:
            opening = self.source.find("<", at)
            if opening < 0:
                opening = size
            if opening > at:
                self._decode(self.layers["text"], at, opening)
            if opening == size:
                return
            at = self._tag(opening)

    def _tag(self, at: int) -> int:
        """Reads what begins with `<`; returns where it ends."""
        source = self.source
        if source.startswith("<!--", at):
            end = source.find("-->", at + 4)
            end = len(source) if end < 0 else end
            self._decode(self.layers["comments"], at + 4, end)
            self.layers["comments"].add(SEPARATOR, end, end)
            return end + 3
        slash = source.startswith("/", at + 1)
        name = _NAME.match(source, at + 1 + slash)
        if name is None:
            if source.startswith(("!", "?", "/"), at + 1):
                return self._bogus(at)
            self.layers["text"].add("<", at, at + 1)
            return at + 1
        tag = name.group().lower()
        if tag in _CELLS:
            self.layers["text"].part("\t", at)
        elif tag not in _INLINE:
            self.layers["text"].part("\n", at)
        end = self._attributes(name.end())
        return self._raw(tag, end) if tag in _RAW and not slash else end

    def _bogus(self, at: int) -> int:
        """A declaration or what looks like one: to the next `>`, as browsers have it."""
        end = self.source.find(">", at)
        end = len(self.source) if end < 0 else end
        self._decode(self.layers["comments"], at + 2, end)
        self.layers["comments"].add(SEPARATOR, end, end)
        return end + 1

    def _raw(self, tag: str, at: int) -> int:
        """A style's or script's content: no reader sees it, but it is sent."""
        end = self.lower.find(f"</{tag}", at)
        end = len(self.source) if end < 0 else end
        layer = self.layers["comments"]
        layer.add(self.source[at:end], at, end)
        layer.add(SEPARATOR, end, end)
        return end

    def _attributes(self, at: int) -> int:
        source, size = self.source, len(self.source)
        while at < size:
            if source[at] == ">":
                return at + 1
            found = _ATTRIBUTE.match(source, at)
            if found is None:
                at += 1
                continue
            at = found.end()
            value = found.group(2)
            if value in {'"', "'"}:
                closing = source.find(value, at)
                closing = size if closing < 0 else closing
                self._value(found.group(1).lower(), at, closing)
                at = closing + 1
            elif value:
                self._value(found.group(1).lower(), *found.span(2))
            else:
                self._value("", *found.span(1))
        return size

    def _value(self, name: str, start: int, end: int) -> None:
        if end - start < _SHORTEST or (
            name in {"style", "class"} and not _DENSE.search(self.source, start, end)
        ):
            return
        if self.lower.startswith("data:", start) and not self.lower.startswith("data:text", start):
            return  # an image: its base64 says nothing
        layer = self.layers["attributes"]
        if name in _LINKS:
            layer = self.layers["links"]
            self._decode_link(layer, start, end)
        else:
            layer.add(f"{name[:40]}=", start, start)
            self._decode(layer, start, end)
        layer.add(SEPARATOR, end, end)

    def _decode(self, layer: _Layer, start: int, end: int) -> None:
        if start == end:
            return
        if not _CODED.search(self.source, start, end):
            layer.add(self.source[start:end], start, end)
            return
        for piece in _PIECE.finditer(self.source, start, end):
            text = piece.group()
            if text[0] == "&":
                layer.add(html.unescape(text) or "\N{REPLACEMENT CHARACTER}", *piece.span())
            elif text[0].isspace():
                layer.add(" ", *piece.span())
            else:
                layer.add(text, *piece.span())

    def _decode_link(self, layer: _Layer, start: int, end: int) -> None:
        """Entities first, then percent-encoding, as a browser that follows the link."""
        plain = _Layer()
        self._decode(plain, start, end)
        decoded = plain.done()
        if "%" not in decoded.text:
            for offset, piece in enumerate(plain.pieces):
                layer.add(piece, plain.starts[offset], plain.ends[offset])
            return
        for match in _URL_PIECE.finditer(decoded.text):
            first, last = match.span()
            text = match.group()
            if len(text) > 1 and text[0] == "%":
                octets = bytes.fromhex(text.replace("%", ""))
                if octets.isascii():
                    for i, char in enumerate(octets.decode()):
                        place = decoded.span(first + 3 * i)[0], decoded.span(first + 3 * i + 2)[1]
                        layer.add(char, *place)
                    continue
                text = unquote(text)
                layer.add(text, decoded.span(first)[0], decoded.span(last - 1)[1])
                continue
            for i in range(first, last):
                layer.add(decoded.text[i], *decoded.span(i))


def read_html(source: str) -> dict[Layer, Reading]:
    """What the HTML shows, and what it carries unseen, by layer; blanks are as a reader has them.

    A cell's end is a tab, another block's a line break.
    """
    reader = _Reader(source)
    reader.read()
    return {name: layer.done() for name, layer in reader.layers.items()}
