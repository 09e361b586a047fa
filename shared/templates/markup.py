"""Where in the markup a place is: in text, in which attribute of which element, in a comment.

A tolerant reader of MJML and HTML sources, fed piece by piece, that never fails: what may stand
where is decided by those who ask it.
"""

import re
from dataclasses import dataclass, field

VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
RAW_TEXT = frozenset(["script", "style", "mj-style"])

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:_-]*")
_SPACE = re.compile(r"\s+")
_ATTRIBUTE = re.compile(r"""[^\s=>/"'<]+""")
_UNQUOTED = re.compile(r"""[^\s>"'<]+""")


@dataclass(slots=True)
class Tag:
    """A start tag: its attributes as written, each with its line; `{}` for Jinja within them."""

    name: str
    file: str
    line: int
    parents: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    dynamic: bool = False  # a Jinja statement stands among its attributes
    closed: bool = False
    lines: dict[str, int] = field(default_factory=dict)


class MarkupReader:
    """`where` is one of text, tag, attribute, comment, raw (style, script), declaration."""

    def __init__(self) -> None:
        self.where = "text"
        self.stack: list[Tag] = []
        self.tags: list[Tag] = []
        self.strays: list[tuple[str, str, int]] = []  # end tags that end nothing
        self.raw: list[str] = []  # what stands in style and script
        self.attribute = ""
        self.file, self.line = "", 1
        self._quote = ""
        self._tag: Tag | None = None
        self._ending = False

    @property
    def element(self) -> str:
        """The element around this place; that of the tag itself, within a tag."""
        if self._tag is not None:
            return self._tag.name
        return self.stack[-1].name if self.stack else ""

    @property
    def value(self) -> str:
        """The part of the attribute's value that has been read."""
        assert self._tag is not None
        return self._tag.attributes.get(self.attribute, "")

    def note(self, *, statement: bool) -> None:
        """A Jinja expression or statement stands here."""
        if self.where == "attribute" and self._tag is not None:
            self._tag.attributes[self.attribute] = self.value + "{}"
        elif self._tag is not None and statement:
            self._tag.dynamic = True

    def feed(self, text: str, file: str, line: int) -> None:
        self.file, self.line = file, line
        position = 0
        while position < len(text):
            reached = getattr(self, f"_read_{self.where}")(text, position)
            self.line += text.count("\n", position, reached)
            position = reached

    def _read_text(self, text: str, start: int) -> int:
        found = text.find("<", start)
        if found < 0:
            return len(text)
        after = found + 1
        if text.startswith("!--", after):
            self.where = "comment"
            return after + 3
        if text.startswith(("!", "?"), after):
            self.where = "declaration"
            return after
        ending = text.startswith("/", after)
        name = _NAME.match(text, after + ending)
        if name is None:
            if after + ending == len(text):  # a name made by Jinja
                self.where = "tag"
            return after + ending
        line = self.line + text.count("\n", start, found)
        self._ending = ending
        parents = tuple(tag.name for tag in self.stack)
        self._tag = Tag(name.group().lower(), self.file, line, parents)
        self.where = "tag"
        return name.end()

    def _read_tag(self, text: str, start: int) -> int:
        if space := _SPACE.match(text, start):
            return space.end()
        if text[start] == ">":
            self._finish()
            return start + 1
        if text[start] == "/":
            if self._tag is not None:
                self._tag.closed = text.startswith(">", start + 1)
            return start + 1
        if text[start] == "=":
            return self._open_value(text, start + 1)
        name = _ATTRIBUTE.match(text, start)
        if name is None:
            return start + 1
        self.attribute = name.group().lower()
        if self._tag is not None:
            self._tag.attributes.setdefault(self.attribute, "")
            self._tag.lines[self.attribute] = self.line
        return name.end()

    def _open_value(self, text: str, start: int) -> int:
        if space := _SPACE.match(text, start):
            start = space.end()
        if text[start : start + 1] in {'"', "'"}:
            self._quote = text[start]
            self.where = "attribute"
            return start + 1
        value = _UNQUOTED.match(text, start)
        if value is None:
            return start
        if self._tag is not None:
            self._tag.attributes[self.attribute] = value.group()
        return value.end()

    def _read_attribute(self, text: str, start: int) -> int:
        end = text.find(self._quote, start)
        stop = len(text) if end < 0 else end
        if self._tag is not None:
            self._tag.attributes[self.attribute] = self.value + text[start:stop]
        if end < 0:
            return stop
        self.where = "tag"
        return end + 1

    def _read_comment(self, text: str, start: int) -> int:
        end = text.find("-->", start)
        if end < 0:
            return len(text)
        self.where = "text"
        return end + 3

    def _read_declaration(self, text: str, start: int) -> int:
        end = text.find(">", start)
        if end < 0:
            return len(text)
        self.where = "text"
        return end + 1

    def _read_raw(self, text: str, start: int) -> int:
        end = re.compile(f"</{re.escape(self.element)}", re.IGNORECASE).search(text, start)
        stop = len(text) if end is None else end.start()
        self.raw.append(text[start:stop])
        if end is not None:
            self.where = "text"
        return stop

    def _finish(self) -> None:
        tag, self._tag, self.where = self._tag, None, "text"
        if tag is None:
            return
        if self._ending:
            self._close(tag)
            return
        self.tags.append(tag)
        if tag.closed or tag.name in VOID:
            return
        self.stack.append(tag)
        if tag.name in RAW_TEXT:
            self.where = "raw"

    def _close(self, tag: Tag) -> None:
        for depth in range(len(self.stack) - 1, -1, -1):
            if self.stack[depth].name == tag.name:
                del self.stack[depth:]
                return
        self.strays.append((tag.name, tag.file, tag.line))
