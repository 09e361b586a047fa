"""Which addresses of the net Mailroom may fetch from: named hosts, on public addresses only."""

import ipaddress
import re
from collections.abc import Sequence

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# What is_global leaves: IPv6 addresses that stand for IPv4 ones behind some gateway (RFC 6052,
# 8215, 3056, 4380, 4291), and site-local ones (RFC 3879).
_EMBEDDING = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96",
        "::ffff:0:0:0/96", "fec0::/10", "192.88.99.0/24",
    )
)  # fmt: skip
# Addresses that clouds keep for themselves: Azure's wire server and Oracle's metadata; the usual
# 169.254.169.254 and fd00:ec2::254 are not global anyway.
_RESERVED = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "192.0.0.192")))


def is_public(text: str) -> bool:
    """Whether an address is one of the public Internet, reached by itself and not by a gateway."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if "%" in text or address in _RESERVED or not address.is_global or address.is_multicast:
        return False
    return not any(
        address in network for network in _EMBEDDING if network.version == address.version
    )


def is_loopback(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def is_host_name(host: str) -> bool:
    """Whether a host is a name; a name that ends in a number is an address in disguise
    (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""
    labels = host.lower().rstrip(".").split(".")
    return (
        len(host) <= 253  # noqa: PLR2004 (RFC 1035)
        and all(_LABEL.fullmatch(label) for label in labels)
        and not _NUMBER.fullmatch(labels[-1])
    )


def is_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Whether a host is one of the allowed: `files.contoso.com`; `*.contoso.com` for all below."""
    host = host.lower().rstrip(".")
    if not is_host_name(host):
        return False
    return any(
        host == entry or (entry.startswith("*.") and host.endswith(entry[1:])) for entry in allowed
    )
