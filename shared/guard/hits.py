"""What a detector reports: which rule, where in the passage, and what of it may be shown."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import log2

from shared.guard.markup import SEPARATOR
from shared.guard.passages import Passage

MOST = 100  # hits of one detector in a passage

_SAMPLE = re.compile(
    r"example|sample|placeholder|your|xxxx|changeme|00000|12345678|abcdefg|redacted|dummy",
    re.IGNORECASE,
)
# SHA-256 of values that everybody knows: the key of the storage emulator, in Microsoft's documents.
_KNOWN_TO_ALL = frozenset(["0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059"])
_SAME = re.compile(r"(.)\1{4}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A place in a passage's text. kept: how many letters and digits at its end may be shown;
    0: nothing. kind: what it is, such as `Visa`."""

    rule: str
    start: int
    end: int
    kind: str = ""
    kept: int = 0


type Detector = Callable[[Passage], Iterator[Hit]]


def looks_random(value: str, *, bits: float = 3.0) -> bool:
    """Whether it was made by chance: no sample, no word repeated; bits: entropy a character."""
    if _SAMPLE.search(value) or _SAME.search(value):
        return False
    if sha256(value.encode()).hexdigest() in _KNOWN_TO_ALL:
        return False
    size = len(value)
    return -sum(n / size * log2(n / size) for n in Counter(value).values()) >= bits


def occurrences(text: str, word: str) -> Iterator[int]:
    """Where the word begins, from the start on, not overlapping."""
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def before(passage: Passage, at: int, size: int) -> str:
    """What stands before a place, in lower case, as far as it has to do with it."""
    return passage.lower[max(0, at - size) : at].rpartition(SEPARATOR)[2]


def after(passage: Passage, at: int, size: int) -> str:
    """What stands behind a place, in lower case, as far as it has to do with it."""
    return passage.lower[at : at + size].partition(SEPARATOR)[0]


def in_link(passage: Passage, at: int) -> bool:
    """Whether a place is within a link."""
    if passage.links:
        return True
    word = re.split(r"[\s\"'<>\f]", passage.text[max(0, at - 600) : at])[-1]
    return "://" in word
