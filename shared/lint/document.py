"""The HTML of a mail as the checks want it: elements, runs of text and how they look.

Never raises, whatever the HTML is, and looks at a bounded part of it: `whole` tells whether that
was all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.lint.appearance import Appearance
from shared.lint.colours import WHITE
from shared.lint.stylesheet import StyleSheet, read_declarations

MAX_HTML = 256 * 1024  # characters
MAX_ELEMENTS = 8_000
MAX_INLINE_CSS = 256 * 1024  # characters of different style attributes

_BLOCKS = frozenset(
    [
        "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div",
        "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
        "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre",
        "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    ]
)  # fmt: skip
_UNSEEN = frozenset(
    [
        "head", "script", "style", "title", "template", "noscript", "textarea", "select",
    ]
)  # fmt: skip
# What fills preheaders, and other characters that show nothing.
_BLANK = re.compile(
    "[\\s\u00a0\u00ad\u034f\u061c\u115f\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u2800\u3000\u3164\ufeff]+"
)

_DARK_SCHEME = re.compile(r"(?<!prefers-)color-scheme[^;{}<>]{0,60}dark", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Run:
    """Text between two tags, and how it looks; `dark` where the mail has a style for that."""

    text: str
    element: "Element"
    light: Appearance
    dark: Appearance | None

    @property
    def hidden(self) -> str:
        """By what it is hidden; empty if it can be seen."""
        return self.light.hidden or ("a font size of 0" if self.light.size == 0 else "")

    @property
    def shown(self) -> str:
        """The text without what shows nothing."""
        return _BLANK.sub(" ", self.text).strip()


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its line, what it declares and how it looks."""

    tag: str
    line: int
    attributes: Mapping[str, str]
    declared: Mapping[str, str]
    light: Appearance
    parent: "Element | None"
    pieces: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The place as a finding names it. What an address holds besides its host, and what the
        text says, may be a secret and is left out."""
        shown = ""
        for name in ("href", "src", "id", "class", "name"):
            if value := self.attributes.get(name):
                shown = (
                    f' {name}="{shorten_address(value) if name in {"href", "src"} else cut(value)}"'
                )
                break
        return f"html, line {self.line}: <{cut(self.tag)}{shown}>"

    @property
    def text(self) -> str:
        """All text within, blanks made one."""
        return _BLANK.sub(" ", "".join(self.pieces)).strip()


@dataclass(slots=True)
class Document:
    """What was read of the HTML."""

    source: str
    elements: list[Element] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    styles: StyleSheet = field(default_factory=StyleSheet)
    whole: bool = True
    titled: bool = False
    pieces: list[str] = field(default_factory=list)

    def named(self, *tags: str) -> Iterator[Element]:
        """The elements with one of these names."""
        return (element for element in self.elements if element.tag in tags)

    @property
    def seen_runs(self) -> list[Run]:
        return [run for run in self.runs if not run.hidden]

    @property
    def text(self) -> str:
        """What a reader sees, blocks on lines of their own."""
        return "".join(self.pieces)


def cut(value: str, most: int = 40) -> str:
    """A value for people: printable, on one line, and not long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def shorten_address(url: str) -> str:
    """Scheme and host of an address: the rest may hold a token."""
    match = re.match(r"\s{0,9}([a-zA-Z][a-zA-Z0-9+.-]{0,30}:)?(//)?([^/?#\s]{0,80})(.?)", url)
    assert match is not None  # every part may be empty
    scheme, slashes, host, more = (part or "" for part in match.groups())
    if not slashes and scheme and scheme.lower() not in {"cid:", "tel:"}:
        return f"{scheme}…"
    return cut(f"{scheme}{slashes}{host.rpartition('@')[2]}", 80) + ("/…" if more else "")


def read_document(html: str) -> Document:
    """Reads the HTML of a mail."""
    document = Document(html[:MAX_HTML], whole=len(html) <= MAX_HTML)
    root, complete = _parse(document.source)
    document.whole &= complete
    if root is not None:
        for style in root.iter("style"):
            document.styles.add(style.text or "", media=style.get("media") or "")
        _Walk(document).run(root)
    document.whole &= document.styles.whole
    return document


def _parse(source: str) -> tuple[Any, bool]:
    """The root element or None, and whether all of it was read."""
    from lxml import etree  # noqa: PLC0415

    parser = etree.HTMLParser(
        recover=True, no_network=True, huge_tree=False, remove_pis=True, remove_comments=True,
        encoding="utf-8",
    )  # fmt: skip
    try:
        root = etree.fromstring(source.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None, not source.strip()
    return root, not any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log)


class _Walk:
    """One pass over the tree, with what is inherited on a stack."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._inline: dict[str, dict[str, tuple[str, bool]]] = {}
        self._inline_size = 0
        self._open: list[tuple[Element, Appearance | None]] = []
        self._unseen = 0
        self._has_dark = document.styles.dark
        # With a scheme of its own the page's ground is the program's to choose.
        self._dark_ground = None if _DARK_SCHEME.search(document.source) else WHITE

    def run(self, root: Any) -> None:
        from lxml import etree  # noqa: PLC0415

        for event, node in etree.iterwalk(root, events=("start", "end")):
            if not isinstance(node.tag, str):
                continue
            if event == "start":
                if len(self._document.elements) >= MAX_ELEMENTS:
                    self._document.whole = False
                    return
                self._start(node)
            else:
                self._end(node)

    def _start(self, node: Any) -> None:
        element, dark = self._element(node)
        self._document.elements.append(element)
        self._open.append((element, dark))
        if node.tag in _UNSEEN:
            self._unseen += 1
        if node.tag == "title" and (node.text or "").strip():
            self._document.titled = True
        self._break(node)
        self._text(node.text)
        if alt := node.get("alt") if node.tag == "img" else "":
            self._collect(f" {alt} ")

    def _end(self, node: Any) -> None:
        self._break(node)
        self._open.pop()
        if node.tag in _UNSEEN:
            self._unseen -= 1
        self._text(node.tail)

    def _element(self, node: Any) -> tuple[Element, Appearance | None]:
        inline = self._read_inline(node.get("style") or "")
        styles = self._document.styles
        outer, outer_dark = self._open[-1] if self._open else (None, None)
        declared = styles.declared(node, inline, dark=False)
        light = (outer.light if outer else Appearance()).inside(node, declared)
        dark = None
        if self._has_dark:
            if outer_dark is None:
                outer_dark = Appearance(ground=self._dark_ground)
            dark = outer_dark.inside(node, styles.declared(node, inline, dark=True))
        attributes = {str(name): value for name, value in list(node.attrib.items())[:50]}
        element = Element(node.tag, node.sourceline or 0, attributes, declared, light, outer)
        return element, dark

    def _read_inline(self, css: str) -> dict[str, tuple[str, bool]]:
        if css not in self._inline:
            self._inline_size += len(css)
            if self._inline_size > MAX_INLINE_CSS:
                self._document.whole = False
                return {}
            self._inline[css] = read_declarations(css) if css else {}
        return self._inline[css]

    def _break(self, node: Any) -> None:
        if node.tag in _BLOCKS:
            self._collect("\n")

    def _text(self, text: str | None) -> None:
        if not text or self._unseen or not self._open:
            return
        element, dark = self._open[-1]
        run = Run(text, element, element.light, dark)
        if run.shown:
            self._document.runs.append(run)
        if not run.hidden:
            self._collect(text)

    def _collect(self, text: str) -> None:
        """Adds to what a reader sees, and to the text of the link or cell that it stands in."""
        if self._unseen:
            return
        if not (self._open and self._open[-1][0].light.hidden):
            self._document.pieces.append(text)
        for element, _ in reversed(self._open):
            if element.tag == "a":
                element.pieces.append(text)
                return
