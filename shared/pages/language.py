"""Which language a page is shown in."""

import re

LANGUAGES = ("en", "de", "fr", "es")
"""Those that Mailroom's own pages and mails are written in; the first where none fits."""

_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,40})?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?"
)


def choose_language(accepted: str, *, fallback: str = LANGUAGES[0]) -> str:
    """The best of LANGUAGES for an Accept-Language header (RFC 9110, section 12.5.4).

    fallback: one of them, where none fits or any will do.
    """
    best, weight = fallback, 0.0
    for part in accepted[:500].split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        quality = float(found[2]) if found[2] else 1.0
        language = fallback if found[1] == "*" else found[1].lower()
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best
