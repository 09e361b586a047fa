"""Seals: short secrets that Mailroom hands out and reads back, such as tokens in links.

AES-SIV (RFC 5297), with keys that HKDF (RFC 5869) derives from the signing keys: nobody else can
read, change or make one. Equal contents have equal seals, so that a mail that is composed again is
the same; a nonce that is used twice, which other ciphers break at, is not there to be used.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

TAG = 16
"""Octets that a seal is longer than its content."""

_KEY = 64  # octets: AES-256 for each of its two halves


def seal(keys: Sequence[str], purpose: str, content: bytes) -> bytes:
    """The content, sealed with the newest (last) key. The purpose is needed to open it."""
    return _cipher(keys[-1], purpose).encrypt(content, None)


def unseal(keys: Sequence[str], purpose: str, sealed: bytes) -> bytes | None:
    """What was sealed for this purpose with one of the keys; None if that is no seal of theirs."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (not needed at the app's start)

    if len(sealed) <= TAG:
        return None
    for key in reversed(keys):
        try:
            return _cipher(key, purpose).decrypt(sealed, None)
        except InvalidTag:
            continue
    return None


def _cipher(key: str, purpose: str) -> "AESSIV":
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    derived = HKDF(SHA256(), _KEY, salt=None, info=purpose.encode()).derive(key.encode())
    return AESSIV(derived)
