"""Hosts and the organisations that they belong to (publicsuffix.org)."""

import ipaddress
import re
from functools import cache
from typing import Any

_NUMERIC = re.compile(
    r"(?:0x[0-9a-f]{1,8}|\d{1,10})(?:\.(?:0x[0-9a-f]{1,8}|\d{1,10})){0,3}", re.IGNORECASE
)
_LONGEST = 253  # RFC 1035 section 2.3.4


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415

    return PublicSuffixList(accept_unknown=False)


def ascii_host(host: str) -> str:
    """The host in lower case, its labels as A-labels where that can be."""
    host = host[:_LONGEST].strip().strip(".").lower()
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def organisational_domain(host: str) -> str:
    """The domain that an organisation registered; the host itself where no suffix is known."""
    name = ascii_host(host)
    return _suffixes().privatesuffix(name) or name


def has_public_suffix(host: str) -> bool:
    """Whether it ends in a suffix of the public list, with something before it."""
    return _suffixes().privatesuffix(ascii_host(host)) is not None


def is_ip_address(host: str) -> bool:
    """Whether it is an address in any of the forms that browsers take: also one number, octal or
    hexadecimal parts (WHATWG URL Standard, IPv4 parser)."""
    if _NUMERIC.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
