"""The rule about phrases of spam: of small weight, in four languages."""

import re

from shared.lint.lists import load_lists
from shared.lint.mail import Mail
from shared.lint.report import Report

ENOUGH = 3  # different phrases that make a finding
_MAX_TEXT = 64 * 1024

PHRASES = load_lists()["phrases"]
_ANY = re.compile(
    r"(?<!\w)(?:" + "|".join(
        re.escape(phrase) for phrase in sorted({p for some in PHRASES.values() for p in some})
    ) + r")(?!\w)"
)  # fmt: skip


def check_phrases(mail: Mail, report: Report) -> None:
    """Notes a mail that has several of the phrases, in subject and body together."""
    body = mail.document.text if mail.document else mail.text
    text = f"{mail.message.subject} . {body[:_MAX_TEXT]}".casefold()
    text = re.sub(r"[\s,;!?¡¿]+", " ", text).replace(" %", "%").replace("’", "'")
    found = dict.fromkeys(match.group() for match in _ANY.finditer(text))
    if len(found) >= ENOUGH:
        shown = ", ".join(f"“{phrase}”" for phrase in list(found)[:5])
        report.add("spam-phrases", "/html" if mail.document else "/text", f"It says {shown}.")
