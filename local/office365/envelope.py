"""MAIL and RCPT: addresses and parameters (RFC 5321, 1870, 3030, 3461, 6152, 6531)."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from . import replies
from .replies import Reply

_PATH = re.compile(
    rb"(?:FROM|TO): ?<"
    rb"(?:@[^:<>\s]+:)?"  # a source route: obsolete, read and ignored (RFC 5321 appendix C)
    rb'((?:"(?:[^"\\\x00-\x1f]|\\[ -~])*"|[^"<>\\\s\x00-\x1f\x7f])*)>'
    rb"(?: +(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_ATOM = r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+"
_LABEL = (
    r"[a-zA-Z0-9\u0080-\U0010ffff](?:[a-zA-Z0-9\u0080-\U0010ffff-]*[a-zA-Z0-9\u0080-\U0010ffff])?"
)
_ADDRESS = re.compile(
    rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\x00-\x1f]|\\[ -~])*")'
    rf"@(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z:.-]+\])"
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\x00-\x20\x7f]+))?")
_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})"
_CHECKS: dict[str, dict[str, re.Pattern[str] | None]] = {
    "MAIL": {
        "SIZE": re.compile(r"[0-9]{1,20}"),
        "BODY": re.compile(r"7BIT|8BITMIME|BINARYMIME", re.IGNORECASE),
        "RET": re.compile(r"FULL|HDRS", re.IGNORECASE),
        "ENVID": re.compile(rf"{_XTEXT}{{1,100}}"),
        "SMTPUTF8": None,
        "AUTH": re.compile(rf"<>|{_XTEXT}+"),
    },
    "RCPT": {
        "NOTIFY": re.compile(
            r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE
        ),
        "ORCPT": re.compile(rf"(?:rfc822;{_XTEXT}+|utf-8;[^\x00-\x20\x7f]+)", re.IGNORECASE),
    },
}
type Parameters = dict[str, str]


class EnvelopeError(Exception):
    """A MAIL or RCPT that cannot be taken; `reply` says so to the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted recipient with its RCPT parameters (upper-case names, values as sent)."""

    address: str
    parameters: Parameters


@dataclass(slots=True)
class Envelope:
    """One mail transaction as it grows. `sender` is "" for the null return path."""

    sender: str
    parameters: Parameters
    recipients: list[Recipient] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    octets: int = 0
    chunking: bool = False
    spoiled: bool = False
    pipelined: bool = False


def parse_mail(arguments: bytes) -> tuple[str, Parameters]:
    """Read what follows `MAIL `; EnvelopeError carries the refusal."""
    address, text = _path(arguments, "MAIL")
    parameters = _parameters(text, "MAIL")
    if not address.isascii() and "SMTPUTF8" not in parameters:
        raise EnvelopeError(replies.UTF8_NEEDED)
    return address, parameters


def parse_rcpt(arguments: bytes, *, utf8: bool) -> Recipient:
    """Read what follows `RCPT `; `utf8` tells that MAIL carried SMTPUTF8."""
    address, text = _path(arguments, "RCPT")
    if not address:
        raise EnvelopeError(replies.INVALID_RECIPIENT)
    if not address.isascii() and not utf8:
        raise EnvelopeError(replies.UTF8_NEEDED)
    return Recipient(address, _parameters(text, "RCPT"))


@lru_cache(maxsize=4096)
def _path(arguments: bytes, verb: str) -> tuple[str, str]:
    refusal = replies.INVALID_SENDER if verb == "MAIL" else replies.INVALID_RECIPIENT
    keyword = b"FROM" if verb == "MAIL" else b"TO"
    match = _PATH.fullmatch(arguments)
    if match is None or not arguments[: len(keyword)].upper() == keyword:
        raise EnvelopeError(replies.INVALID_ARGUMENTS)
    try:
        address, text = match[1].decode(), (match[2] or b"").decode()
    except UnicodeDecodeError:
        raise EnvelopeError(refusal) from None
    local, _, domain = address.rpartition("@")
    if address and (
        not _ADDRESS.fullmatch(address)
        or len(local.encode()) > 64  # noqa: PLR2004 - RFC 5321 §4.5.3.1.1
        or len(domain.encode()) > 255  # noqa: PLR2004 - RFC 5321 §4.5.3.1.2
    ):
        raise EnvelopeError(refusal)
    return address, text


def _parameters(text: str, verb: str) -> Parameters:
    parameters: Parameters = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise EnvelopeError(replies.INVALID_ARGUMENTS)
        name, value = match[1].upper(), match[2]
        if name not in _CHECKS[verb]:
            raise EnvelopeError(replies.unsupported_parameter(match[1]))
        check = _CHECKS[verb][name]
        valid = value is None if check is None else value is not None and check.fullmatch(value)
        if not valid or name in parameters:
            raise EnvelopeError(replies.INVALID_ARGUMENTS)
        parameters[name] = value or ""
    return parameters
