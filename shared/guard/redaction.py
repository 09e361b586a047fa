"""Masking: in what a person sees of a finding, and in the message itself."""

from collections.abc import Iterable

from shared.guard.hits import Hit
from shared.guard.reading import Reading

_REMOVED = "[redacted]"


def mask(value: str, hit: Hit) -> str:
    """What may be shown of a value: its last characters where they say little, else nothing."""
    if not hit.kept:
        return f"{hit.kind}: ********" if hit.kind else "********"
    plain = [char for char in value if char.isalnum()]
    return f"{hit.kind}: ****{''.join(plain[-hit.kept :])}"


def redact(source: str, found: Iterable[tuple[Reading, Hit]]) -> str:
    """The source without what was found. Of markup only characters of text and values change:
    tags stay where they are, though they stand within a number."""
    changes: list[tuple[int, int, str]] = []
    for reading, hit in found:
        changes += _changes(reading, hit)
    pieces: list[str] = []
    reached = 0
    for start, end, text in sorted(changes):
        if start < reached:
            continue  # two readings of one place: it is masked already
        pieces += (source[reached:start], text)
        reached = end
    return "".join([*pieces, source[reached:]])


def _changes(reading: Reading, hit: Hit) -> Iterable[tuple[int, int, str]]:
    places = [i for i in range(hit.start, hit.end) if reading.text[i].isalnum()]
    if hit.kept:
        for i in places[: -hit.kept]:
            start, end = reading.span(i)
            if end > start:
                yield start, end, "*"
        return
    text = _REMOVED
    for i in range(hit.start, hit.end):
        start, end = reading.span(i)
        if end > start:
            yield start, end, text
            text = ""
