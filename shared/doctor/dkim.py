"""DKIM keys of a domain at Microsoft 365 (RFC 6376 section 3.6.1): the two selectors' CNAMEs.

learn.microsoft.com/defender-office-365/email-authentication-dkim-configure: targets are
`…_domainkey.<tenant>.onmicrosoft.com`, and since May 2025 `….dkim.mail.microsoft` for new domains.
"""

import base64
import binascii
from dataclasses import dataclass

from shared.doctor.lookups import Lookups

SELECTORS = ("selector1", "selector2")
_MICROSOFT = (".onmicrosoft.com", ".onmicrosoft.us", ".onmschina.cn", ".dkim.mail.microsoft")
WEAK = 1024  # bits: RFC 8301 section 3.2


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector. target: of its CNAME, "" for none. bits: of its key; 0: there is none."""

    name: str
    target: str
    bits: int
    fault: str = ""

    @property
    def microsoft(self) -> bool:
        return self.target.lower().endswith(_MICROSOFT)


async def read_selectors(domain: str, lookups: Lookups) -> list[Selector]:
    """Both selectors. Raises LookupTroubleError."""
    return [await _read(name, domain, lookups) for name in SELECTORS]


async def _read(name: str, domain: str, lookups: Lookups) -> Selector:
    where = f"{name}._domainkey.{domain}"
    target = next(iter((await lookups.ask(where, "CNAME")).values), "")
    texts = (await lookups.ask(where, "TXT")).values
    if not texts:
        return Selector(name, target, 0, "there is no key at its end" if target else "missing")
    if len(texts) > 1:
        return Selector(name, target, 0, "there are several keys, of which none counts")
    return Selector(name, target, *_strength(texts[0]))


def _strength(record: str) -> tuple[int, str]:
    """The key's bits, and what is wrong with it."""
    tags = read_tags(record)
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return 0, "its record is none of DKIM"
    encoded = "".join(tags["p"].split())
    if not encoded:
        return 0, "its key is revoked"
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return 0, "its key cannot be read"
    if tags.get("k", "rsa").lower() == "ed25519":
        return (256, "") if len(key) == 32 else (0, "its key cannot be read")  # noqa: PLR2004
    return _rsa_bits(key)


def _rsa_bits(der: bytes) -> tuple[int, str]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(der)
    except Exception:  # noqa: BLE001 (whatever the library makes of bytes of others)
        return 0, "its key cannot be read"
    if not isinstance(key, RSAPublicKey):
        return 0, "its key is none of RSA"
    weak = key.key_size < WEAK
    return (0 if weak else key.key_size), (f"its key has {key.key_size} bits" if weak else "")


def read_tags(record: str) -> dict[str, str]:
    """`name=value; …` of DKIM and DMARC; the first one of a name counts."""
    tags: dict[str, str] = {}
    for part in record.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags
