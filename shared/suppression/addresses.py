"""Addresses as they are compared: one recipient, one form."""

import unicodedata

from shared.errors import MailroomError


class AddressError(MailroomError, ValueError):
    """What should be an address is none."""


def normalise(address: str) -> str:
    """The form in which addresses are compared.

    Letters in lower case (no large provider tells them apart, though RFC 5321 section 2.4 would
    allow it), Unicode in NFC, the domain in A-labels (RFC 5890) without the root's dot. Plus tags
    stay: to mailing lists they are different subscribers. Raises AddressError.
    """
    local, at, domain = address.strip().rpartition("@")
    domain = domain.removesuffix(".").casefold()
    if not (at and local and domain):
        raise AddressError("It is not an e-mail address.", fix="Give local-part@domain.")
    if not domain.isascii():
        import idna  # noqa: PLC0415 (few addresses need it)

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise AddressError(
                "The domain is not an internationalised domain name.",
                fix="Check its spelling, or give it as A-labels (xn--…).",
            ) from error
    return f"{unicodedata.normalize('NFC', local).lower()}@{domain}"
