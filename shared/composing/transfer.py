"""Content-Transfer-Encoding: the choice, the size, the encoding (RFC 2045 section 6).

`encoded_length` is exact for 7bit and base64 and a close upper bound for quoted-printable; the
choice is made by it, so that what is chosen is never longer than what was reckoned with.
"""

import binascii
import re
import struct
from typing import BinaryIO, Literal

TransferEncoding = Literal["7bit", "quoted-printable", "base64"]

BOUNDARY_START = "=_"
"""How each boundary begins (RFC 2045 section 6.7): no encoded body can hold a line `--=_…`."""

_DELIMITER = f"--{BOUNDARY_START}".encode()
_LONGEST_LINE = 998
_COLUMNS = 76
_LINE_OCTETS = _COLUMNS // 4 * 3
_BLOCK_LINES = 512
_BLOCK_OCTETS = _LINE_OCTETS * _BLOCK_LINES
_BLOCK = struct.Struct(f"{_COLUMNS}s" * _BLOCK_LINES)

_PLAIN = bytes([9, 10, 13, *range(32, 127)])
_QP_PLAIN = _PLAIN.replace(b"=", b"")
# binascii ends a line whose last blank it had to encode up to one column late.
_QP_LATE = re.compile(rb"^(.{74})(=20|=09)(?=\r\n)", re.MULTILINE)
_QP_SHORTEST = 73  # octets that a line has at least before binascii breaks it softly


def canonical(text: str) -> bytes:
    """UTF-8 with CRLF as line ends, the last line ended as well (RFC 2046 section 4.1.1)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return f"{lines}\n".replace("\n", "\r\n").encode()


def choose_encoding(text: bytes) -> TransferEncoding:
    """The encoding for a canonical text: as it is where that is safe, else the shorter one."""
    if (
        not text.translate(None, _PLAIN)
        and max(map(len, text.split(b"\r\n"))) <= _LONGEST_LINE
        and not text.startswith(_DELIMITER)
        and b"\n" + _DELIMITER not in text
    ):
        return "7bit"
    if encoded_length(text, "quoted-printable") <= encoded_length(text, "base64"):
        return "quoted-printable"
    return "base64"


def encoded_length(data: bytes, encoding: TransferEncoding) -> int:
    """Octets that `write_encoded` writes at most."""
    if encoding == "7bit":
        return len(data)
    if encoding == "base64":
        columns = (len(data) + 2) // 3 * 4
        return columns + (columns + _COLUMNS - 1) // _COLUMNS * 2
    escaped = (
        len(data.translate(None, _QP_PLAIN))
        + data.count(b" \r\n")
        + data.count(b"\t\r\n")
        + data.count(b".\r\n")
    )
    length = len(data) + 2 * escaped
    return length + 3 * (length // _QP_SHORTEST)


def write_encoded(data: bytes, encoding: TransferEncoding, out: BinaryIO) -> None:
    """Write `data`, with CRLF at the end of each line; nothing for nothing."""
    if encoding == "7bit":
        out.write(data)
    elif encoding == "base64":
        _write_base64(data, out)
    else:
        encoded = binascii.b2a_qp(data, quotetabs=False, istext=True)
        if b" \r\n" in data or b"\t\r\n" in data:
            encoded = _QP_LATE.sub(rb"\1=\r\n\2", encoded)
        out.write(encoded)


def _write_base64(data: bytes, out: BinaryIO) -> None:
    # Blocks bound the memory; one unpack cuts a block into its lines without a loop in Python.
    view = memoryview(data)
    whole = len(data) - len(data) % _BLOCK_OCTETS
    for start in range(0, whole, _BLOCK_OCTETS):
        block = binascii.b2a_base64(view[start : start + _BLOCK_OCTETS], newline=False)
        out.write(b"\r\n".join(_BLOCK.unpack(block)))
        out.write(b"\r\n")
    if rest := binascii.b2a_base64(view[whole:], newline=False):
        lines = [rest[start : start + _COLUMNS] for start in range(0, len(rest), _COLUMNS)]
        out.write(b"\r\n".join(lines))
        out.write(b"\r\n")
