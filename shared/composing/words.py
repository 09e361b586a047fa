"""Text in header fields that is not plain ASCII: encoded words and extended parameters.

Both encodings are cut between characters, never inside one, so that a reader may decode each piece
on its own. The standard library folds a field by parsing it, and a whole EmailMessage costs some
twenty times as much as this: hence encoders of our own, checked against its readers.
"""

import binascii
import re
import string
import unicodedata
from collections.abc import Sequence

LINE = 76
"""Columns of a header line that holds an encoded word (RFC 2047 section 2); kept for all lines."""

_WORD = 75  # RFC 2047 section 2
_FRAME = len("=?utf-8?q??=")
_FALLBACK_STEM, _FALLBACK_EXTENSION = 40, 16
_LETTERS_DIGITS = string.ascii_letters + string.digits


def _table(prefix: str, safe: str, blank: str) -> list[str]:
    table = [f"{prefix}{octet:02X}" for octet in range(256)]
    for character in safe:
        table[ord(character)] = character
    table[0x20] = blank
    return table


# RFC 2047 section 5 (3): what the "q" encoding may leave as it is even in a phrase.
_Q = _table("=", _LETTERS_DIGITS + "!*+-/", "_")
# RFC 2231 section 7: attribute-char.
_PERCENT = _table("%", _LETTERS_DIGITS + "!#$&+-.^_`{|}~", "%20")
_Q_WEIGHTS = [len(code) for code in _Q]
_PERCENT_WEIGHTS = [len(code) for code in _PERCENT]
_OCTET_WEIGHTS = [1] * 256

# What a quoted parameter value may hold without misleading the many readers that mishandle escapes.
_PLAIN_VALUE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


def _cut(text: str, weights: Sequence[int], room: int) -> list[bytes]:
    """The UTF-8 octets of `text` in runs of whole characters, each run at most `room` in weight."""
    whole = text.encode()
    if sum(map(weights.__getitem__, whole)) <= room:
        return [whole]
    runs: list[bytes] = []
    start = end = used = 0
    for character in text:
        octets = character.encode()
        weight = sum(map(weights.__getitem__, octets))
        if used + weight > room and end > start:
            runs.append(whole[start:end])
            start, used = end, 0
        end += len(octets)
        used += weight
    runs.append(whole[start:])
    return runs


def encoded_words(text: str, field: str) -> list[str]:
    """`text` as adjacent encoded words for the field named `field`, usable in phrases as well.

    Readers drop the blanks between adjacent encoded words (RFC 2047 section 6.2): decoded and
    joined they give `text` exactly. "q" or "b" is chosen by length.
    """
    room = min(_WORD, LINE - len(field) - 2)
    if room < 2 * _FRAME:  # an extraordinarily long field name: the words start on the next line
        room = _WORD
    room -= _FRAME
    octets = text.encode()
    if sum(map(_Q_WEIGHTS.__getitem__, octets)) <= (len(octets) + 2) // 3 * 4:
        return [
            f"=?utf-8?q?{''.join(map(_Q.__getitem__, run))}?="
            for run in _cut(text, _Q_WEIGHTS, room)
        ]
    return [
        f"=?utf-8?b?{binascii.b2a_base64(run, newline=False).decode()}?="
        for run in _cut(text, _OCTET_WEIGHTS, room // 4 * 3)
    ]


def looks_encoded(text: str) -> bool:
    """Whether a reader could take a piece of `text` for an encoded word."""
    return "=?" in text


def parameter(name: str, value: str) -> list[str]:
    """A parameter of Content-Type or Content-Disposition, as tokens to fold between.

    Plain ASCII is quoted; all else is an extended parameter, continued over several where it is
    long (RFC 2231). Never both forms: RFC 2231 has no fallback (that is RFC 6266, HTTP), and
    readers that know RFC 2231 would take the first of two.
    """
    if _PLAIN_VALUE.fullmatch(value) and not looks_encoded(value):
        return [f'{name}="{value}"']
    whole = "".join(map(_PERCENT.__getitem__, value.encode()))
    if len(whole) + len(name) + len(" *=utf-8''") < LINE:
        return [f"{name}*=utf-8''{whole}"]
    room = LINE - len(name) - len(" *00*=utf-8'';")
    runs = _cut(value, _PERCENT_WEIGHTS, room)
    tokens = [
        f"{name}*{number}*={'' if number else "utf-8''"}{''.join(map(_PERCENT.__getitem__, run))};"
        for number, run in enumerate(runs)
    ]
    tokens[-1] = tokens[-1].removesuffix(";")
    return tokens


def ascii_file_name(name: str) -> str:
    """A plain ASCII rendition of a file name, its extension kept where that is ASCII."""
    if _PLAIN_VALUE.fullmatch(name) and not looks_encoded(name):
        return name
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    stem, dot, extension = re.sub(r"[^A-Za-z0-9._()+-]", "_", bare).rpartition(".")
    if not dot:
        stem, extension = extension, ""
    # Compatibility forms can be many times longer than what they stand for.
    stem = re.sub(r"_{2,}", "_", stem).strip("._")[:_FALLBACK_STEM] or "attachment"
    extension = extension[:_FALLBACK_EXTENSION]
    return f"{stem}.{extension}" if extension.strip("_") else stem
