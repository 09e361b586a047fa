"""Text as it is searched, and where each character of it stands in its source.

Searching is kept apart from what can be written in many ways: digits of other scripts, full-width
letters, soft hyphens, and in HTML tags, entities and percent-encoding.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

# Characters that nobody sees (Unicode's default ignorable ones that are used within words).
_UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u180e"
_QUOTES = dict.fromkeys(map(ord, "“”„‟«»″"), '"') | dict.fromkeys(map(ord, "‘’‚‛′"), "'")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, and in pieces where it stands in the source; without pieces the two are the same.

    A piece begins at offsets[k] of the text, and stands in the source from starts[k] to ends[k]:
    character by character if it is as long there, else as a whole (an entity, a run of blanks).
    """

    text: str = field(repr=False)
    offsets: Sequence[int] = field(default=(), repr=False)
    starts: Sequence[int] = field(default=(), repr=False)
    ends: Sequence[int] = field(default=(), repr=False)

    def span(self, index: int) -> tuple[int, int]:
        """Where a character stands in the source; empty for what was only inserted. Of several
        characters that stand for one piece together, the last one has its place."""
        if not self.offsets:
            return index, index + 1
        piece = bisect_right(self.offsets, index) - 1
        offset, start, end = self.offsets[piece], self.starts[piece], self.ends[piece]
        following = piece + 1
        size = (
            self.offsets[following] if following < len(self.offsets) else len(self.text)
        ) - offset
        if end - start == size:
            return start + index - offset, start + index - offset + 1
        return (start, end) if index == offset + size - 1 else (start, start)


def fold(reading: Reading) -> Reading:
    """The reading with one way of writing: ASCII digits, quotes, hyphens and blanks."""
    text = reading.text
    if text.isascii():
        return reading
    folded = text.translate(_Folding())
    if not any(char in folded for char in _UNSEEN):
        return replace(reading, text=folded)
    kept = [i for i, char in enumerate(folded) if char not in _UNSEEN]
    spans = [reading.span(i) for i in kept]
    return Reading(
        "".join(folded[i] for i in kept), range(len(kept)),
        [start for start, _ in spans], [end for _, end in spans],
    )  # fmt: skip


def lowered(text: str) -> str:
    """The text in lower case, each character at its place."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


class _Folding(dict[int, str]):
    """A translation table that is made as characters are met."""

    def __missing__(self, point: int) -> str:
        self[point] = folded = _fold_character(point)
        return folded


@lru_cache(maxsize=4096)
def _fold_character(point: int) -> str:
    char = chr(point)
    if point < 128:  # noqa: PLR2004 (ASCII)
        return char
    if point in _QUOTES:
        return _QUOTES[point]
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Pd" or char == "\u2212":
        return "-"
    if category == "Zs":
        return " "
    wide = unicodedata.normalize("NFKC", char)
    return wide if len(wide) == 1 else char
