"""A tolerant reader of MIME (RFC 2045 to 2047, 5322): whatever the bytes, a list of parts.

The mail is kept as text in which each character is a byte (ISO 8859-1), so that nothing fails and
offsets stay; a part is decoded when it is asked for. Depth, number and size of parts are bounded.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from shared.returned.encoding import decode_body, decode_words, reinterpret

_MOST_BYTES = 1_500_000  # read from the beginning of a mail …
_LAST_BYTES = 250_000  # … and from its end: what lies between is the returned message's content
_MOST_PARTS = 60
_REMARK = 250  # characters of a preamble that only says that this is MIME
_INDENT = 4  # blanks before a boundary
_DEEPEST = 6
_MOST_HEADERS = 120_000  # characters of one header block
_MOST_TEXT = 60_000  # characters of one part that are decoded

_FIELD = re.compile(
    r"^([!-9;-~]{1,80}+)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t]++\S[^\n]*+)*+)", re.MULTILINE
)
_BLANK_LINE = re.compile(r"\n[ \t]*+\n")
_PARAMETER = re.compile(r""";\s*+([\w*-]{1,40}+)\s*+=\s*+(?:"([^"]{0,500}+)"|([^\s;"]{1,500}+))""")
_LIKE_BOUNDARY = re.compile(
    r"^--([^\s-][^\n]{4,200}|-{1,30}[^\s-][^\n]{4,200})\ncontent-", re.MULTILINE | re.IGNORECASE
)
_FROM_LINE = re.compile(r"\s*+>?From [^\n]*+\n")


class Headers:
    """The fields of one header block, by their names in small letters, unfolded."""

    def __init__(self, block: str) -> None:
        self._fields: dict[str, list[str]] = {}
        for match in _FIELD.finditer(block[:_MOST_HEADERS]):
            self._fields.setdefault(match[1].lower(), []).append(match[2])

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def raw(self, name: str) -> str:
        """The first field of this name as it stands, unfolded; "" where there is none."""
        values = self._fields.get(name)
        return " ".join(values[0][:20_000].split()) if values else ""

    def get(self, name: str) -> str:
        """The same, encoded words (RFC 2047) and bytes beyond ASCII decoded."""
        value = self.raw(name)
        return decode_words(value) if "=?" in value or not value.isascii() else value

    def all(self, name: str) -> list[str]:
        return [" ".join(value[:20_000].split()) for value in self._fields.get(name, ())]


@dataclass(eq=False)
class Part:
    """A leaf of the MIME tree. type: in small letters, e.g. "text/plain"."""

    type: str
    headers: Headers
    body: str = field(repr=False)

    @cached_property
    def text(self) -> str:
        """The beginning of its text, decoded."""
        return decode_body(
            self.body[:_MOST_TEXT],
            self.headers.raw("content-transfer-encoding").lower(),
            parameter(self.headers.raw("content-type"), "charset"),
        )


@dataclass(eq=False)
class Mail:
    """A mail: its headers and its leaves, in order. type: the outermost content type."""

    headers: Headers
    parts: list[Part]
    type: str


def read_mail(content: bytes) -> Mail:
    """Never raises. Time grows with the length up to about 1.75 MB, then no more."""
    if len(content) > _MOST_BYTES + _LAST_BYTES:
        content = content[:_MOST_BYTES] + b"\n" + content[-_LAST_BYTES:]
    raw = content.decode("latin-1")
    if "\r" in raw:
        raw = raw.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    if match := _FROM_LINE.match(raw):
        raw = raw[match.end() :]
    headers, body = split_headers(raw.lstrip("\n"))
    parts: list[Part] = []
    _collect(headers, body, parts)
    return Mail(headers, parts, content_type(headers))


def split_headers(raw: str) -> tuple[Headers, str]:
    """The header block and what comes after it. A text that does not begin with one has none."""
    if not _FIELD.match(raw):
        return Headers(""), raw
    match = _BLANK_LINE.search(raw)
    if match is None:
        return Headers(raw), ""
    return Headers(raw[: match.start()]), raw[match.end() :]


def content_type(headers: Headers, default: str = "text/plain") -> str:
    kind = headers.raw("content-type").partition(";")[0].strip().strip('"').lower()
    return kind if "/" in kind else default


def parameter(value: str, name: str) -> str:
    """A parameter of a structured field, "" where it is missing."""
    for match in _PARAMETER.finditer(value[:4000]):
        if match[1].lower().rstrip("*").removesuffix("*0") == name:
            return match[2] if match[2] is not None else match[3]
    return ""


def _collect(headers: Headers, body: str, parts: list[Part]) -> None:
    """Appends the leaves, depth first, without recursion."""
    todo = [(headers, body, 0)]
    while todo and len(parts) < _MOST_PARTS:
        headers, body, depth = todo.pop()
        kind = content_type(headers)
        sections = None
        if kind.startswith("multipart/") and depth < _DEEPEST:
            sections = _sections(body, parameter(headers.raw("content-type"), "boundary"))
        elif depth == 0 and kind == "text/plain" and (lost := _LIKE_BOUNDARY.search(body)):
            sections = _sections(body, lost[1].strip())  # a multipart that does not say so
        if sections is None:
            parts.append(
                Part("text/plain" if kind.startswith("multipart/") else kind, headers, body)
            )
            continue
        todo += [(*split_headers(s), depth + 1) for s in reversed(sections)]


def _sections(body: str, boundary: str) -> list[str] | None:
    """What the boundary parts, what stands before it too where that is no mere remark on MIME."""
    lines = _delimiters(body, boundary) if boundary else []
    if not lines and (lost := _LIKE_BOUNDARY.search(body)):
        lines = _delimiters(body, lost[1].strip())
    if not lines:
        return None
    starts = [end for _, end in lines]
    ends = [start for start, _ in lines[1:]] + [len(body)]
    sections = [body[start:end] for start, end in zip(starts, ends, strict=True)]
    preamble = body[: lines[0][0]].strip()
    if len(preamble) > _REMARK and "@" in preamble:
        sections.insert(0, "\n" + preamble)
    return [section for section in sections[: _MOST_PARTS + 1] if section.strip()]


def _delimiters(body: str, boundary: str) -> list[tuple[int, int]]:
    """Where the boundary's lines begin and end; some software indents them."""
    found: list[tuple[int, int]] = []
    mark = f"--{boundary}"
    at = body.find(mark)
    while at >= 0 and len(found) <= _MOST_PARTS:
        line = body.rfind("\n", 0, at) + 1
        end = body.find("\n", at)
        end = len(body) if end < 0 else end
        rest = body[at + len(mark) : min(end, at + len(mark) + 8)].strip()
        if rest in ("", "--") and at - line <= _INDENT and not body[line:at].strip():
            found.append((line, min(end + 1, len(body))))
        at = body.find(mark, end)
    return found


def text_of(raw: str) -> str:
    """A piece of a mail that says nothing of its charset, decoded."""
    return raw if raw.isascii() and "\x1b" not in raw else reinterpret(raw, "")
