"""Rules about the subject."""

import re

from shared.lint.document import cut
from shared.lint.emoji import count_emoji, is_emoji_only
from shared.lint.mail import Mail
from shared.lint.report import Report

MAX_SUBJECT = 78
_MOST_EMOJI = 2
_PLACE = "/subject"
_WORD = re.compile(r"[^\W\d_]{4,}")
_MARKS = re.compile(r"[!?¡¿]{2,}|\.{4,}|\$\$+|\*\*\*+")
# Reply and forward prefixes of mail programs: English, German, French, Spanish and Italian, Dutch,
# Swedish.
_REPLY = re.compile(
    r"(re|aw|r[eé]p|rv|sv|antw|fwd?|wg|tr|doorst)(\[\d{1,3}\]|\(\d{1,3}\))?\s?:", re.IGNORECASE
)
_THREAD = {"in-reply-to", "references"}


def check_subject(mail: Mail, report: Report) -> None:
    """Notes what is wrong with the subject."""
    subject = mail.message.subject
    if not subject.strip():
        report.add("subject-missing", _PLACE, "There is no subject.")
        return
    if len(subject) > MAX_SUBJECT:
        report.add("subject-long", _PLACE, f"It has {len(subject)} characters.")
    words = _WORD.findall(subject)
    letters = [c for c in subject if c.isalpha() and c.lower() != c.upper()]
    if len(words) > 1 and all(c.isupper() for c in letters):
        report.add("subject-capitals", _PLACE, "All its letters are capitals.")
    if match := _MARKS.search(subject):
        report.add("subject-punctuation", _PLACE, f"It holds “{match.group()[:10]}”.")
    elif subject.count("!") > 1:
        report.add("subject-punctuation", _PLACE, f"It has {subject.count('!')} exclamation marks.")
    if is_emoji_only(subject):
        report.add("emoji-only", _PLACE, "The subject is emoji only.")
    elif (count := count_emoji(subject)) > _MOST_EMOJI:
        report.add("subject-emoji", _PLACE, f"It has {count} emoji.")
    prefix = _REPLY.match(subject)
    if prefix and not _THREAD & {name.lower() for name in mail.message.headers}:
        report.add(
            "subject-reply", _PLACE,
            f"It begins with “{cut(prefix.group())}”, without In-Reply-To or References.",
        )  # fmt: skip
