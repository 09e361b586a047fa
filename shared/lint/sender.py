"""Rules about who writes, and to whom readers answer."""

import re

from shared.lint.domains import organisational_domain
from shared.lint.mail import Mail
from shared.lint.report import Report

_NO_REPLY = re.compile(
    r"(?:do[._-]?not|don'?t|no|non|keine)[._-]?(?:reply|respond|repondre|antwort)|noresponder|"
    r"ne[._-]?pas[._-]?repondre|no[._-]?responder", re.IGNORECASE,
)  # fmt: skip


def check_sender(mail: Mail, report: Report) -> None:
    """Notes what is wrong with From and Reply-To."""
    sender, answers = mail.message.sender.email, mail.message.reply_to
    local, _, domain = sender.rpartition("@")
    if mail.bulk:
        read = [local] if not answers else [a.email.rpartition("@")[0] for a in answers]
        if all(_NO_REPLY.match(name[:64]) for name in read):
            place = "/reply_to" if answers else "/from/email"
            report.add("noreply-sender", place, "Nobody reads what readers answer.")
    own = organisational_domain(domain)
    for index, answer in enumerate(answers):
        other = organisational_domain(answer.email.rpartition("@")[2])
        if other != own:
            report.add(
                "reply-to-differs", f"/reply_to/{index}/email",
                f"From is of {own}, this address of {other}.",
            )  # fmt: skip
