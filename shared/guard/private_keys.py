"""Private keys in the forms that they are stored in."""

import base64
import binascii
import re
from collections.abc import Iterator

from shared.guard.hits import Hit, occurrences
from shared.guard.passages import Passage

_BEGIN = re.compile(
    r"-{4,5} ?BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)? ?-{4,5}", re.ASCII
)
# Fields of RFC 1421 and RFC 4880 may stand before the content; JSON writes line breaks as \n.
_BODY = re.compile(
    r"(?:\s|\\[nr]|[A-Za-z-]{4,20}: [^\n]{1,100}(?:\n|\\n)|\")*+(?:[A-Za-z0-9+/=]|\s|\\[nr]){40}"
)
_END = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_LONGEST = 16 * 1024  # characters that a key has at most
_PUTTY = re.compile(r"PuTTY-User-Key-File-[23]: [a-z0-9@.-]{3,40}", re.ASCII)
_PUTTY_END = re.compile(r"Private-(?:MAC|Hash): ?[0-9a-f]{32,64}")
_AGE = re.compile(r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}(?![0-9A-Z])")
_JWK = re.compile(r"\"d\" ?: ?\"[A-Za-z0-9_-]{40,1400}+\"")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}+={0,2}")
_WRAPPED = ("LS0tLS1CRUdJTi", "0tLS0tQkVHSU4", "tLS0tLUJFR0lO")  # “-----BEGIN” at each offset
_DER = ("MII", "MIG", "MHc", "MHQ", "MC4", "ME4", "MIH")  # a SEQUENCE of a usual key's length


def find_private_keys(passage: Passage) -> Iterator[Hit]:
    """Keys, whole; nothing of them may be shown."""
    text = passage.text
    yield from _pem(text)
    reached = 0
    for begin in _PUTTY.finditer(text):
        if begin.start() < reached:
            continue
        end = _PUTTY_END.search(text, begin.end(), begin.end() + _LONGEST)
        reached = end.end() if end else min(len(text), begin.end() + _LONGEST)
        if "Private-Lines" in text[begin.end() : reached]:
            yield Hit("private-key", begin.start(), reached, "PuTTY key")
    for match in _AGE.finditer(text):
        yield Hit("private-key", *match.span(), "age key")
    if '"kty"' in text:
        for match in _JWK.finditer(text):
            yield Hit("private-key", *match.span(), "JSON Web Key")
    yield from _encoded(text)


def _pem(text: str) -> Iterator[Hit]:
    reached = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() < reached or not _BODY.match(text, begin.end(), begin.end() + 2000):
            continue
        end = _END.search(text, begin.end(), begin.end() + _LONGEST)
        reached = end.end() if end else min(len(text), begin.end() + _LONGEST)
        yield Hit("private-key", begin.start(), reached, "PEM")


def _encoded(text: str) -> Iterator[Hit]:
    """Base64 of a PEM text, or of a key without its first line (DER)."""
    reached = 0
    for offset, mark in enumerate(_WRAPPED):
        for at in occurrences(text, mark):
            head = _decode(text[at : at + 120], offset) if at >= reached else b""
            match = _BASE64.match(text, at) if b"PRIVATE KEY" in head else None
            if match:
                reached = match.end()
                yield Hit("private-key", *match.span(), "PEM in base64")
    for mark in _DER:
        for at in occurrences(text, mark):
            if at and (text[at - 1].isalnum() or text[at - 1] in "+/_-="):
                continue
            if is_private_der(_decode(text[at : at + 64], 0)):
                match = _BASE64.match(text, at)
                if match:
                    yield Hit("private-key", *match.span(), "key in base64")


def _decode(text: str, offset: int) -> bytes:
    """The octets of the first characters; offset: how many stand before a whole group of four."""
    text = text[(0, 2, 1)[offset] :]
    text = re.split(r"[^A-Za-z0-9+/_-]", text, maxsplit=1)[0].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def is_private_der(data: bytes) -> bool:
    """Whether these are the first octets of PKCS#1, PKCS#8 or SEC 1 (RFC 8017, 5958, 5915)."""
    if len(data) < 16 or data[0] != 0x30:  # noqa: PLR2004
        return False
    at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    head = data[at : at + 5]
    version, follows = head[:3], head[3:5]
    if version == b"\x02\x01\x00":
        # PKCS#8: the algorithm, an object identifier in a SEQUENCE. PKCS#1: the modulus.
        return (
            follows[:1] == b"\x30" and data[at + 5 : at + 6] == b"\x06"
        ) or follows == b"\x02\x82"
    return version == b"\x02\x01\x01" and follows[:1] == b"\x04"
