"""Reports written for people, of makers known and unknown."""

import pytest

from shared.returned import parse_report
from tests.returned.dialects import COPY, DIALECTS, Dialect
from tests.returned.mails import mail


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_reports_for_people_are_understood(dialect: Dialect, newline: str) -> None:
    content = mail(dialect.text, subject=dialect.subject, sender=dialect.sender)
    content = content.replace(b"\n", newline.encode())
    report = parse_report(content)
    assert report.kind == "bounce"
    assert report.understood
    told = {r.address: (r.reason, r.hard) for r in report.recipients}
    assert told == dialect.expected


def test_what_is_said_of_one_recipient_is_not_said_of_another() -> None:
    text = (
        "<ann@fabrikam.test>: 552 5.2.2 mailbox full\n\n<bob@fabrikam.test>: no reason is known\n"
    )
    ann, bob = parse_report(mail(text, subject="Undeliverable")).recipients
    assert (ann.status, ann.reason) == ("5.2.2", "mailbox-full")
    assert (bob.status, bob.reason) == ("", "other")


def test_a_report_in_html_alone() -> None:
    page = (
        "<html><head><style>p {color: red}</style></head><body><p>Your message to "
        "<b>ann@fabrikam.test</b> couldn&#39;t be delivered.</p><table><tr><td>Error:</td>"
        "<td>550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup</td>"
        "</tr></table></body></html>"
    )
    content = mail(page, subject="Undeliverable: Your order", Content_Type="text/html")
    (told,) = parse_report(content).recipients
    assert (told.address, told.status, told.hard) == ("ann@fabrikam.test", "5.1.10", True)


def test_a_help_desk_is_not_a_recipient() -> None:
    text = (
        "We could not deliver your mail to ann@fabrikam.test: user unknown.\n"
        "For help send a mail to helpdesk@fabrikam.test.\n" + COPY
    )
    told = parse_report(mail(text, subject="Undeliverable"))
    assert [r.address for r in told.recipients] == ["ann@fabrikam.test"]


def test_a_report_that_comes_after_the_message() -> None:
    text = (
        "--b\nContent-Type: message/rfc822\n" + COPY + "\n--b\nContent-Type: text/plain\n\n"
        "The message could not be delivered to:\n\n   ann@fabrikam.test\n\nUser unknown\n--b--\n"
    )
    content = mail(text, subject="Undeliverable", Content_Type='multipart/mixed; boundary="b"')
    (told,) = parse_report(content).recipients
    assert (told.address, told.hard) == ("ann@fabrikam.test", True)
