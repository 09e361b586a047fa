"""The lint of one message: all checks, in order."""

from shared.findings import Finding
from shared.lint.attachments import check_attachments
from shared.lint.bodies import check_bodies
from shared.lint.bulk import check_bulk
from shared.lint.document import read_document
from shared.lint.images import check_images
from shared.lint.links import check_links
from shared.lint.mail import MAX_TEXT, Mail
from shared.lint.phrases import check_phrases
from shared.lint.placeholders import check_placeholders
from shared.lint.policy import LintPolicy
from shared.lint.readability import check_readability
from shared.lint.report import Report
from shared.lint.rules import load_rules
from shared.lint.sender import check_sender
from shared.lint.structure import check_structure
from shared.lint.subject import check_subject
from shared.messages.model import Message

CHECKS = (
    check_subject,
    check_sender,
    check_bodies,
    check_placeholders,
    check_links,
    check_images,
    check_structure,
    check_readability,
    check_bulk,
    check_attachments,
    check_phrases,
)


def lint_message(message: Message, *, policy: LintPolicy) -> list[Finding]:
    """What readers and filters may have against a message, errors first.

    Pure, and never raises: time grows linearly with the message and is bounded. Rules that the
    policy has off find nothing. A template must be rendered before.
    """
    if all(policy.action(rule) == "off" for rule in load_rules()):
        return []
    report = Report(policy)
    mail = Mail(message, read_document(message.html) if message.html else None)
    for check in CHECKS:
        check(mail, report)
    if len(message.text or "") > MAX_TEXT:
        report.add("not-checked", "/text", f"The text has more than {MAX_TEXT:,} characters.")
    return report.findings()
