"""Whether tags close what they open: one pass over the source, before any parser mends it."""

import re
from collections.abc import Iterator

_VOID = frozenset(
    [
        "area", "base", "basefont", "bgsound", "br", "col", "embed", "hr", "img", "input",
        "link", "meta", "param", "source", "track", "wbr",
    ]
)  # fmt: skip
# Their end tags may be left out (HTML Standard, section 13.1.2.4).
_OPTIONAL = frozenset(
    [
        "body", "colgroup", "dd", "dt", "head", "html", "li", "optgroup", "option", "p", "rp",
        "rt", "tbody", "td", "tfoot", "th", "thead", "tr",
    ]
)  # fmt: skip
_RAW = frozenset(["script", "style", "textarea", "title", "xmp"])
_TAG = re.compile(r"<(?:!--|([/]?)([a-zA-Z][a-zA-Z0-9:-]{0,60})|[!?])")
_IN_TAG = re.compile(r"[\"'>]")
_MAX_OPEN = 2000

type Fault = tuple[int, str]


def find_faults(source: str) -> Iterator[Fault]:
    """What is broken, as (line, what). Ends at the first place from which all would be guesses."""
    opened: list[tuple[str, int]] = []
    counts: dict[str, int] = {}
    lines = _Lines(source)
    at = 0
    while match := _TAG.search(source, at):
        line, at = lines.at(match.start()), match.end()
        if match.group(2) is None:
            at = _comment_end(source, at, match.group())
            if at < 0:
                yield line, "A comment is never closed."
                return
            continue
        name = match.group(2).lower()
        end = _tag_end(source, at)
        if end < 0:
            yield line, f"The tag <{match.group(1)}{name}> has no end, or a quote in it has none."
            return
        at = end
        if match.group(1):
            yield from _close(name, line, opened, counts)
        elif name not in _VOID and source[end - 2] != "/":
            at = _content_start(source, name, end)
            if at < 0:
                yield line, f"<{name}> is never closed."
                return
            if len(opened) >= _MAX_OPEN:
                yield line, "Elements are nested too deep."
                return
            opened.append((name, line))
            counts[name] = counts.get(name, 0) + 1
    yield from ((line, f"<{name}> is never closed.") for name, line in _demanding(opened))


def _comment_end(source: str, at: int, opening: str) -> int:
    """Just behind a comment or declaration, or -1; `<!-->` closes itself."""
    if opening != "<!--":
        return source.find(">", at) + 1 or -1
    found = source.find("-->", at - 2)
    return found + 3 if found >= 0 else -1


def _content_start(source: str, name: str, at: int) -> int:
    """Where tags are looked for again: at its end tag for an element of raw text; -1 without."""
    if name not in _RAW:
        return at
    match = re.compile(f"</{name}", re.IGNORECASE).search(source, at)
    return match.start() if match else -1


def _close(
    name: str, line: int, opened: list[tuple[str, int]], counts: dict[str, int]
) -> Iterator[Fault]:
    if not counts.get(name):
        yield line, f"</{name}> closes nothing."
        return
    inner = []
    while True:
        other, since = opened.pop()
        counts[other] -= 1
        if other == name:
            break
        inner.append((other, since))
    for other, since in _demanding(inner):
        yield since, f"<{other}> is not closed before </{name}> in line {line}."


def _demanding(opened: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [(name, line) for name, line in opened if name not in _OPTIONAL]


def _tag_end(source: str, at: int) -> int:
    """Just behind the `>` of a tag, or -1. Quotes hide it only where a value begins with one."""
    while match := _IN_TAG.search(source, at):
        if match.group() == ">":
            return match.end()
        if source[at : match.start()].rstrip()[-1:] != "=":
            at = match.end()
            continue
        found = source.find(match.group(), match.end())
        if found < 0:
            return -1
        at = found + 1
    return -1


class _Lines:
    """Line numbers of rising places."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at, self._line = 0, 1

    def at(self, place: int) -> int:
        self._line += self._source.count("\n", self._at, place)
        self._at = place
        return self._line
