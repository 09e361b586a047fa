"""What the receiving server found about a mail's sender: Authentication-Results (RFC 8601).

Exchange Online writes the field without the name of the server, and adds `compauth` to it:
learn.microsoft.com/defender-office-365/message-headers-eop-mdo
"""

import re
from collections.abc import Iterator, Sequence

from shared.delivery_tests.fields import HeaderField, plain, tokens
from shared.delivery_tests.report import Authentication, Verdict

_MOST_VERDICTS = 40
_MOST_PROPERTIES = 12
_METHOD = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,30})(?:/\d{1,3})?=([A-Za-z]{1,20})")
_PAIR = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,60})=(.{1,300})")


def read_authentication(fields: Sequence[HeaderField]) -> Authentication:
    """What the server says that the mail came to last.

    Anybody can send a mail that has such a field already. Servers put theirs on top, and the way
    that the mail has come before stands below: only the topmost field counts, with those of the
    same server that no Received parts from it; and only where a Received follows.
    """
    names = [field.name for field in fields]
    if "authentication-results" not in names:
        return Authentication()
    first = names.index("authentication-results")
    if "received" not in names[first:]:
        return Authentication()
    end = first + names[first:].index("received")
    server, verdicts = parse_results(fields[first].value)
    for field in fields[first + 1 : end]:
        if field.name == "authentication-results":
            other, more = parse_results(field.value)
            if other == server:
                verdicts += more
    return Authentication(server=server, verdicts=tuple(verdicts[:_MOST_VERDICTS]))


def parse_results(value: str) -> tuple[str, list[Verdict]]:
    """The server's name ("" where it gives none) and the verdicts of one field."""
    server, verdicts = "", []
    for index, words in enumerate(_statements(value)):
        if not words:
            continue
        method = _METHOD.fullmatch(words[0])
        if method is None:
            if index == 0 and "=" not in words[0]:
                server = plain(words[0]).lower()
            continue
        pairs = [pair for word in words[1:] if (pair := _PAIR.fullmatch(word))]
        properties = {pair[1].lower(): plain(pair[2]) for pair in pairs[:_MOST_PROPERTIES]}
        reason = properties.pop("reason", "")
        verdicts.append(
            Verdict(
                method=method[1].lower(), result=method[2].lower(), reason=reason,
                properties=properties,
            )
        )  # fmt: skip
    return server, verdicts[:_MOST_VERDICTS]


def _statements(value: str) -> Iterator[list[str]]:
    """The words of each part between semicolons; a quoted string belongs to the word before it."""
    words: list[str] = [""]
    for kind, text in tokens(value):
        if kind == "comment":
            if words[-1] and not words[-1].endswith("="):
                words.append("")
            continue
        if kind == "quoted":
            words[-1] += text
            continue
        for part, piece in enumerate(text.split(";")):
            if part:
                yield [word for word in words if word]
                words = [""]
            # Blanks may stand around "=" (RFC 8601 section 2.2).
            tight = re.sub(r" ?= ?", "=", piece)
            first, *rest = tight.split(" ")
            if first.startswith("=") and not words[-1] and len(words) > 1:
                words.pop()
            words[-1] += first
            words += rest
    yield [word for word in words if word]
