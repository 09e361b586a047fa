"""The DKIM signatures of a mail (RFC 6376): whose they are, and which fields they cover.

A signature that leaves out List-Unsubscribe lets nobody trust it: Gmail and Yahoo ask that both it
and List-Unsubscribe-Post are covered (RFC 8058 section 4).
"""

from collections.abc import Mapping, Sequence
from email.utils import parseaddr

from shared.delivery_tests.authentication import read_authentication
from shared.delivery_tests.fields import HeaderField, plain, values_of
from shared.delivery_tests.report import Signature
from shared.lint.domains import organisational_domain

MOST_SIGNATURES = 10
_MOST_COVERED = 100
_LISTED = ("list-unsubscribe", "list-unsubscribe-post")


def read_signatures(fields: Sequence[HeaderField]) -> tuple[Signature, ...]:
    """The signatures, topmost first, each with what the receiving server said of it."""
    _, author = parseaddr(next(iter(values_of(fields, "from")), "")[:1000])
    domain = author.rpartition("@")[2].lower().rstrip(".")
    verdicts = [v for v in read_authentication(fields).verdicts if v.method == "dkim"]
    present = {field.name for field in fields}
    signatures = []
    for value in values_of(fields, "dkim-signature")[:MOST_SIGNATURES]:
        tags = read_tags(value)
        signer, selector = tags.get("d", "").lower(), tags.get("s", "")
        covered = [one.lower() for one in tags.get("h", "").split(":") if one][:_MOST_COVERED]
        result = next(
            (
                v.result for v in verdicts
                if signer in (v.properties.get("header.d"), _signer(v.properties))
                and v.properties.get("header.s", selector) == selector
            ),
            "",
        )  # fmt: skip
        signatures.append(
            Signature(
                domain=plain(signer), selector=plain(selector),
                algorithm=plain(tags.get("a", ""), 30), result=result,
                aligned=bool(signer) and is_aligned(signer, domain),
                covers=tuple(plain(name, 80) for name in covered),
                covers_unsubscribe=all(n in covered for n in _LISTED if n in present),
            )
        )  # fmt: skip
    return tuple(signatures)


def read_tags(value: str) -> dict[str, str]:
    """A tag list (RFC 6376 section 3.2), without the blanks in its values; the first one counts."""
    tags: dict[str, str] = {}
    for part in value.split(";")[:60]:
        name, equals, text = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), "".join(text.split()))
    return tags


def is_aligned(signer: str, author: str) -> bool:
    """Whether DMARC's relaxed alignment holds (RFC 7489 section 3.1.1): one organisation."""
    return signer == author or organisational_domain(signer) == organisational_domain(author)


def _signer(properties: Mapping[str, str]) -> str:
    """The domain of header.i (`@contoso.com`), which some servers write in place of header.d."""
    return properties.get("header.i", "").rpartition("@")[2].lower()
