"""Delivery status notifications (RFC 3464, RFC 6533), in the wild's spellings too."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.returned import ReportedRecipient, parse_report
from tests.returned.mails import mail, report

ANN = "ann@fabrikam.test"
UNKNOWN = "Diagnostic-Code: smtp; 550 5.1.1 <ann@fabrikam.test>: User unknown"


def only(content: bytes) -> ReportedRecipient:
    (recipient,) = parse_report(content).recipients
    return recipient


def test_a_report_tells_all_that_matching_needs() -> None:
    fields = f"""\
Original-Recipient: rfc822; sales@fabrikam.test
Final-Recipient: rfc822; {ANN}
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.fabrikam.test
{UNKNOWN}"""
    told = parse_report(report(fields, **{"In-Reply-To": "<order-1@contoso.test>"}))
    assert told.kind == "bounce"
    assert told.recipients == (
        ReportedRecipient(
            address=ANN,
            original="sales@fabrikam.test",
            action="failed",
            status="5.1.1",
            reply_code=550,
            remote_mta="mail.fabrikam.test",
            diagnostic="550 5.1.1 <ann@fabrikam.test>: User unknown",
            reason="user-unknown",
            hard=True,
            permanent=True,
        ),
    )
    assert told.reporting_mta == "mx.fabrikam.test"
    assert told.original_message_ids == ("<order-1@contoso.test>",)
    assert told.mailroom_id == "m-0001"
    assert told.original_subject == "Your order"
    assert told.original_sender == "news@contoso.test"
    cet = timezone(timedelta(hours=1))
    assert told.arrival == datetime(2026, 3, 3, 9, 30, 30, tzinfo=cet)
    assert told.date == datetime(2026, 3, 3, 8, 31, tzinfo=UTC)
    assert told.sender == "MAILER-DAEMON@mx.fabrikam.test"
    assert told.to == ("news@contoso.test",)
    assert told.message_id == "<report-1@mx.fabrikam.test>"
    assert told.understood


def test_the_envelope_id_is_told() -> None:
    fields = f"Original-Envelope-Id: m-0001\n\nFinal-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1"
    content = report(fields).replace(b"+0100\n\nOriginal-Env", b"+0100\nOriginal-Env")
    assert parse_report(content).envelope_id == "m-0001"


@pytest.mark.parametrize(
    "fields",
    [
        f"Final-Recipient : rfc822 ; {ANN}\nAction : failed\nStatus : 5.1.1",
        f"Final-Recipient: rfc/822;{ANN}\nAction: failed\nStatus: 5.1.1",
        f"Final-Recipient: <{ANN}>\nAction: failed\nStatus: 5.1.1 (bad mailbox)",
        f"final-recipient: RFC822; <{ANN}>\naction: Failed (bad)\nstatus: 5.1.1",
        f"Final-Recipient: rfc822;\n {ANN}\nAction: failed\nStatus: 5.1.1",
        f"Original-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1",
        f"Action: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; {ANN}",
        f"Action: failed\n\nFinal-Recipient: rfc822; {ANN}\n\nStatus: 5.1.1",
        f"Final-Recipient: rfc822; @relay.test:{ANN}\nAction: failed\nStatus: 5.1.1",
        f"Final-Recipient: LOCAL; ann\nOriginal-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1",
        f"Final-Recipient: rfc822; {ANN}\nStatus: 5.1.1",
        f"  Final-Recipient: rfc822; {ANN}\n  Action: failed\n  Status: 5.1.1",
        f"Final-Recipient: rfc822; SMTP:{ANN}\nAction: failed\nStatus: 5.1.1",
        f'Final-Recipient: rfc822; "{ANN}"\nAction: failed\nStatus: 5.1.1',
        f"Final-Recipient: utf-8; {ANN}\nAction: failed\nStatus: 5.1.1",
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.0.0\n{UNKNOWN}",
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 User\nunknown",
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_spellings(fields: str, newline: bytes) -> None:
    told = only(report(fields).replace(b"\n", newline))
    assert (told.address, told.status, told.hard) == (ANN, "5.1.1", True)


def test_two_recipients_in_one_block() -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; bob@fabrikam.test\nAction: failed\nStatus: 5.2.2"  # fmt: skip
    told = [(r.address, r.status, r.hard) for r in parse_report(report(fields)).recipients]
    assert told == [(ANN, "5.1.1", True), ("bob@fabrikam.test", "5.2.2", False)]


@pytest.mark.parametrize(
    ("field", "text", "status"),
    [
        ("5.0.0", "550 5.1.1 user unknown", "5.1.1"),
        ("5.1.1", "552 5.2.2 over quota", "5.2.2"),
        ("5.1.1", "550 user unknown", "5.1.1"),
        ("5.0.0", "550 user unknown", "5.0.0"),
        ("", "550-5.7.26 blocked 550 5.7.26 see https://x.test", "5.7.26"),
        ("4.4.7", "554 4.4.7 expired <421 4.4.2 Connection timed out>", "4.4.2"),
        ("5.4.7", "message expired", "5.4.7"),
        ("5.0.0", "smtp;550 version 5.1.20.3 at 4.5.6.7: no", "5.0.0"),
        ("5.5.0 (permanent)", "550 5.0.0 no", "5.5.0"),
        ("5.001.001", "", "5.1.1"),
    ],
)
def test_the_more_specific_status_counts(field: str, text: str, status: str) -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: {field}\nDiagnostic-Code: smtp; {text}"  # fmt: skip
    assert only(report(fields)).status == status


def test_a_full_mailbox_is_not_hard_whatever_the_code() -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 mailbox is full"  # fmt: skip
    told = only(report(fields))
    assert (told.reason, told.hard, told.permanent) == ("mailbox-full", False, True)


@pytest.mark.parametrize(
    ("action", "kind"),
    [("delayed", "delayed"), ("delivered", "delivered"), ("relayed", "delivered"), ("expanded", "delivered"), ("failed", "bounce")],
)  # fmt: skip
def test_actions(action: str, kind: str) -> None:
    status = {"delayed": "4.4.1", "failed": "5.1.1"}.get(action, "2.0.0")
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: {action}\nStatus: {status}"
    told = parse_report(report(fields))
    assert told.kind == kind
    assert told.recipients[0].action == action
    assert told.recipients[0].hard == (action == "failed")
    assert told.recipients[0].permanent == (action == "failed")


def test_a_bounce_does_not_name_those_who_got_the_message() -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; bob@fabrikam.test\nAction: relayed\nStatus: 2.1.5"  # fmt: skip
    assert only(report(fields)).address == ANN


def test_an_internationalised_report() -> None:
    """RFC 6533: global parts, an address in UTF-8 or with its characters escaped."""
    fields = "Original-Recipient: utf-8; j\\x{E4}ger@b\\x{FC}cher.test\nFinal-Recipient: utf-8; jäger@bücher.test\nAction: failed\nStatus: 5.1.1"
    content = report(fields).replace(b"message/delivery-status", b"message/global-delivery-status")
    content = content.replace(b"message/rfc822", b"message/global")
    told = parse_report(content)
    assert told.recipients[0].address == "jäger@bücher.test"
    assert told.recipients[0].original == "jäger@bücher.test"
    assert told.mailroom_id == "m-0001"


def test_quoted_local_parts_stay_quoted() -> None:
    fields = 'Final-Recipient: rfc822; "ann lee"@fabrikam.test\nAction: failed\nStatus: 5.1.1'
    assert only(report(fields)).address == '"ann lee"@fabrikam.test'


def test_fields_in_the_text_of_a_plain_mail() -> None:
    text = f"An error occurred:\n\nReporting-MTA: dns; mx.fabrikam.test\n\nAction: failed\nFinal-Recipient: rfc822; {ANN}\nStatus: 5.1.1"
    assert only(mail(text, subject="Delivery Status Notification (Failure)")).address == ANN


def test_a_boundary_that_is_not_the_declared_one() -> None:
    content = report(f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1")
    assert only(content.replace(b'boundary="b1"', b'boundary="other"')).address == ANN
    assert only(content.replace(b'; boundary="b1"', b"")).address == ANN
    assert only(content.replace(b"\n--b1", b"\n --b1")).address == ANN


def test_a_mail_cut_off_in_its_report() -> None:
    content = report(f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\n{UNKNOWN}")
    assert only(content[: content.index(b"User unknown")]).address == ANN


def test_a_mbox_line_before_the_mail() -> None:
    content = report(f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1")
    assert only(b"From MAILER-DAEMON Tue Mar  3 09:31:00 2026\n" + content).address == ANN


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "utf-8", "us-ascii"])
def test_japanese_text_whatever_the_charset_says(charset: str) -> None:
    text = f"送信できませんでした。\n\n{ANN}\n    宛先不明 (User unknown)\n"
    encoded = text.encode("utf-8" if charset == "us-ascii" else charset)
    content = mail("", subject="Undeliverable", Content_Type=f'text/plain; charset="{charset}"')
    told = parse_report(content + encoded)
    assert (told.recipients[0].address, told.recipients[0].hard) == (ANN, True)
    assert "宛先不明" in told.text


def test_a_subject_in_encoded_words() -> None:
    encoded = "=?iso-8859-1?q?Nicht_zustellbar=3A_Gr=FC=DFe?= =?utf-8?b?w6R=?= =?broken?x?y?="
    assert parse_report(mail("", subject=encoded)).subject.startswith("Nicht zustellbar: Grüßeä")


def test_a_report_that_names_nobody_is_not_understood() -> None:
    told = parse_report(report("Action: failed\nStatus: 5.1.1", said="It failed.", original="Subject: a\n\nb"))  # fmt: skip
    assert not told.understood


@pytest.mark.parametrize(
    ("category", "reason"),
    [
        ("bad-mailbox", "user-unknown"),
        ("quota-issues", "mailbox-full"),
        ("bad-domain", "host-unknown"),
        ("odd", "policy"),
    ],
)
def test_the_class_that_power_mta_gives(category: str, reason: str) -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 554 5.7.1 no\nX-PowerMTA-BounceCategory: {category}"
    assert only(report(fields)).reason == reason
