"""Transfer encodings, charsets and encoded words, as the wild has them: nothing raises.

Text comes in with one character for each byte (ISO 8859-1).
"""

import binascii
import re

# Only charsets whose decoders are safe and fast for any input; `punycode` and others are not.
_CHARSET = re.compile(
    r"utf-?8|us-ascii|ascii|utf-?16(?:le|be)?|iso-?8859-?\d{1,2}|latin-?\d|windows-?\d{3,4}"
    r"|cp\d{3,4}|koi8-[rut]|gb2312|gbk|gb18030|big5(?:-?hkscs)?|euc-?(?:jp|kr|cn)|ks_c_5601-1987"
    r"|shift[_-]?jis|sjis|x-sjis|iso-2022-(?:jp|kr)(?:-\w{1,4})?|tis-620|macintosh|hz-gb-2312"
)
_ALIASES = {
    "x-sjis": "cp932", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932",
    "gb2312": "gb18030", "gbk": "gb18030", "euc-cn": "gb18030", "ks_c_5601-1987": "cp949",
    "iso-2022-jp": "iso2022_jp_ext", "iso-8859-1": "cp1252", "macintosh": "mac_roman",
    "hz-gb-2312": "hz", "euc-kr": "cp949",
}  # fmt: skip
_WORD = re.compile(r"=\?([^?\s]{1,40}+)\?([bBqQ])\?([^?]{0,1000}+)\?=(?:\s++(?==\?))?")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{0,200}+$")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def decode_body(body: str, transfer: str, charset: str) -> str:
    """A body's text."""
    if "quoted-printable" in transfer:
        body = binascii.a2b_qp(body.encode("latin-1")).decode("latin-1")
    elif "base64" in transfer and _BASE64.match(body[:200]):
        body = decode_base64(body).decode("latin-1")
    if "\r" in body:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
    return reinterpret(body, charset)


def decode_base64(text: str) -> bytes:
    """What can be made of it: strange characters and a broken end are left out."""
    letters = _NOT_BASE64.sub("", text)
    rest = len(letters) % 4
    letters = letters[:-1] if rest == 1 else letters + "=" * (-rest % 4)
    try:
        return binascii.a2b_base64(letters)
    except binascii.Error:
        return b""


def reinterpret(text: str, charset: str) -> str:
    """The bytes in a charset: the declared one, unless they show that it is another."""
    if text.isascii() and "\x1b" not in text and "utf-16" not in charset.lower():
        return text
    data = text.encode("latin-1", "replace")
    name = charset.strip().lower()
    if "\x1b$" in text or "\x1b(" in text:
        return data.decode("iso2022_jp_ext", "replace")
    if not name.startswith("utf-16"):
        try:  # what is valid UTF-8 beyond ASCII is hardly ever anything else
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    if not _CHARSET.fullmatch(name) or name in ("us-ascii", "ascii"):
        name = "cp932" if _looks_japanese(data) else "cp1252"
    try:
        return data.decode(_ALIASES.get(name, name), "replace")
    except (LookupError, UnicodeError):
        return data.decode("utf-8", "replace")


def _looks_japanese(data: bytes) -> bool:
    """Whether undeclared bytes are Shift_JIS with kana, rather than a Western charset."""
    return data.count(b"\x82") + data.count(b"\x83") > max(4, len(data) // 20)


def decode_words(value: str) -> str:
    """A header's value with encoded words (RFC 2047) decoded, broken ones left as they are."""
    if not value.isascii():
        value = reinterpret(value, "")
    return _WORD.sub(_decode_word, value) if "=?" in value else value


def _decode_word(match: re.Match[str]) -> str:
    charset, encoding, payload = match[1].partition("*")[0], match[2].lower(), match[3]
    if encoding == "b":
        data = decode_base64(payload)
    else:
        data = binascii.a2b_qp(payload.encode("latin-1", "replace"), header=True)
    return reinterpret(data.decode("latin-1"), charset)
