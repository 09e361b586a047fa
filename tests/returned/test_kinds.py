"""What is no bounce: false alarms cost a recipient his mail."""

import pytest

from shared.returned import parse_report
from tests.returned.mails import ORIGINAL, mail, report

ANN = "ann@fabrikam.test"
FAILED = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1"
PERSON = "Ann Lee <ann@fabrikam.test>"


def person(body: str, subject: str, **headers: str) -> bytes:
    return mail(body, sender=PERSON, subject=subject, **{"Return-Path": f"<{ANN}>"} | headers)


def test_an_answer_that_quotes_a_bounce() -> None:
    quoted = "\n".join(f"> {line}" for line in report(FAILED).decode().splitlines())
    content = person(f"Look what I got:\n\n{quoted}\n", "Re: Undelivered Mail Returned to Sender", In_Reply_To="<x@y.test>")  # fmt: skip
    assert parse_report(content).kind == "other"
    assert parse_report(content).recipients == ()


def test_a_bounce_that_somebody_forwards() -> None:
    quoted = "\n".join(f"> {line}" for line in report(FAILED).decode().splitlines())
    content = person(f"Begin forwarded message:\n\n{quoted}\n", "Fwd: Undelivered Mail Returned to Sender")  # fmt: skip
    told = parse_report(content)
    assert (told.kind, [r.address for r in told.recipients]) == ("bounce", [ANN])
    attached = f"--b0\nContent-Type: text/plain\n\nSee below\n\n--b0\nContent-Type: message/rfc822\n\n{report(FAILED).decode()}\n--b0--\n"
    content = person(attached, "WG: Undelivered Mail", Content_Type='multipart/mixed; boundary="b0"')  # fmt: skip
    told = parse_report(content)
    assert (told.kind, [r.address for r in told.recipients]) == ("bounce", [ANN])


@pytest.mark.parametrize(
    ("subject", "body", "headers"),
    [
        ("How to fix 550 5.1.1 errors", "Undeliverable mail? ann@fabrikam.test: user unknown", {"List_Unsubscribe": "<https://x.test>"}),
        ("[team] delivery failed", "The parcel could not be delivered to bob@fabrikam.test.", {"List_Id": "<team.x.test>"}),
        ("Your parcel could not be delivered", "We were unable to deliver your parcel. Write to help@fabrikam.test.", {}),
        ("Re: Delivery failure", "My address is now bob@fabrikam.test, the old one does not exist.", {"In_Reply_To": "<a@b.test>"}),
        ("Hello", "Please write to bob@fabrikam.test in future", {}),
        ("Server report", "Postfix log: <bob@fabrikam.test>: 550 5.1.1 user unknown", {}),
    ],
)  # fmt: skip
def test_mails_of_people_and_lists(subject: str, body: str, headers: dict[str, str]) -> None:
    told = parse_report(person(body, subject, **headers))
    assert (told.kind, told.recipients) == ("other", ())


def test_a_read_receipt() -> None:
    content = report(
        f"Final-Recipient: rfc822; {ANN}\nDisposition: manual-action/MDN-sent-manually; displayed"
    )
    content = content.replace(b"delivery-status", b"disposition-notification")
    assert parse_report(content).kind == "other"


def test_a_mailbox_filter_that_refuses() -> None:
    fields = f"Final-Recipient: rfc822; {ANN}\nDisposition: automatic-action/MDN-sent-automatically; deleted"  # fmt: skip
    said = f"Your message to <{ANN}> was automatically rejected:\nQuota exceeded (mailbox for user is full)"  # fmt: skip
    content = report(fields, said=said).replace(b"delivery-status", b"disposition-notification")
    told = parse_report(content)
    assert (told.kind, told.recipients[0].reason) == ("bounce", "mailbox-full")


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("Re: Your order", {"Auto_Submitted": "auto-replied"}),
        ("Automatic reply: Your order", {"X_Auto_Response_Suppress": "All"}),
        ("Re: Your order", {"X_Autoreply": "yes"}),
        ("Re: Your order", {"Precedence": "auto_reply"}),
        ("Automatische Antwort: Ihre Bestellung", {}),
        ("Réponse automatique : Votre commande", {}),
        ("Abwesenheitsnotiz", {}),
        ("Fuera de la oficina: pedido", {}),
        ("=?utf-8?b?6Ieq5YuV5b+c562U?=: order", {}),
        ("Out of Office: order", {"Return_Path": "<>"}),
    ],
)  # fmt: skip
def test_automatic_replies(subject: str, headers: dict[str, str]) -> None:
    body = "I am away until Monday. Write to bob@fabrikam.test, mail to me is not read."
    assert parse_report(person(body, subject, **headers)).kind == "auto-reply"


def test_an_automatic_reply_names_the_mail_that_it_answers() -> None:
    headers = {"Auto-Submitted": "auto-replied", "In-Reply-To": "<order-1@contoso.test>"}
    told = parse_report(person("Away", "Re: Your order", **headers))
    assert told.original_message_ids == ("<order-1@contoso.test>",)


@pytest.mark.parametrize("subject", ["unsubscribe", "Unsubscribe m-0001", "UNSUBSCRIBE:abc", "=?utf-8?q?D=C3=A9sabonner?="])  # fmt: skip
def test_requests_to_unsubscribe(subject: str) -> None:
    told = parse_report(person("", subject))
    assert (told.kind, told.sender, told.subject[:1].lower()) == ("unsubscribe", ANN, subject[0].lower() if subject[0] != "=" else "d")  # fmt: skip


def test_a_challenge() -> None:
    text = "To prove that you are human, click the link below. Your message is held until then and released to me afterwards."
    content = person(text, "Please confirm your message", Auto_Submitted="auto-replied")
    assert parse_report(content).kind == "challenge"


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        (
            "THIS IS A WARNING MESSAGE ONLY.\nYOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nDelivery to the following recipient has been delayed:\n\n     ann@fabrikam.test\n",
            "Delivery Status Notification (Delay)",
        ),
        (
            "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\n"
            "The address to which the message has not yet been delivered is:\n\n  ann@fabrikam.test\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.",
            "Warning: message 1abc delayed 24 hours",
        ),
    ],
)  # fmt: skip
def test_delays_without_a_report_part(text: str, subject: str) -> None:
    told = parse_report(mail(text, subject=subject))
    assert told.kind == "delayed"
    assert [(r.address, r.action, r.hard, r.permanent) for r in told.recipients] == [(ANN, "delayed", False, False)]  # fmt: skip


def feedback(fields: str, *, kind: str = "message/feedback-report") -> bytes:
    body = f"--b1\nContent-Type: text/plain\n\nThis is an abuse report.\n\n--b1\nContent-Type: {kind}\n\n{fields}\n\n--b1\nContent-Type: message/rfc822\n\n{ORIGINAL.format(to=ANN)}\n--b1--\n"
    return mail(
        body, sender="fbl@fabrikam.test", subject="Fw: Your order",
        Content_Type='multipart/report; report-type=feedback-report; boundary="b1"',
    )  # fmt: skip


def test_a_complaint() -> None:
    fields = f"Feedback-Type: abuse\nUser-Agent: Fbl/1\nVersion: 1\nOriginal-Rcpt-To: <{ANN}>\nOriginal-Mail-From: <news@contoso.test>\nOriginal-Envelope-Id: m-0001\nArrival-Date: Tue, 3 Mar 2026 09:30:30 +0100"
    told = parse_report(feedback(fields))
    assert (told.kind, told.feedback_type) == ("complaint", "abuse")
    assert [r.address for r in told.recipients] == [ANN]
    assert told.envelope_id == "m-0001"
    assert told.mailroom_id == "m-0001"
    assert told.original_message_ids == ("<order-1@contoso.test>",)
    assert told.original_sender == "news@contoso.test"
    assert told.arrival is not None


def test_a_complaint_that_hides_who_complains_is_told_by_the_returned_headers() -> None:
    told = parse_report(feedback("Feedback-Type: fraud\nVersion: 1"))
    assert (told.kind, told.feedback_type) == ("complaint", "fraud")
    assert [r.address for r in told.recipients] == [ANN]


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_feedback_that_is_no_complaint(kind: str) -> None:
    told = parse_report(feedback(f"Feedback-Type: {kind}\nVersion: 1\nOriginal-Rcpt-To: {ANN}"))
    assert (told.kind, told.feedback_type) == ("other", kind)


def test_a_complaint_in_microsofts_form() -> None:
    original = f"X-HmXmrOriginalRecipient: <{ANN}>\n{ORIGINAL.format(to=ANN)}"
    body = f"--b1\nContent-Type: message/rfc822\n\n{original}\n--b1--\n"
    content = mail(body, sender="staff@hotmail.com", subject="complaint about message from 192.0.2.7", Content_Type='multipart/mixed; boundary="b1"')  # fmt: skip
    told = parse_report(content)
    assert (told.kind, [r.address for r in told.recipients]) == ("complaint", [ANN])


def test_a_mail_programs_own_request_counts_as_feedback() -> None:
    content = person("Apple Mail sent this email to unsubscribe.", "unsubscribe", X_Apple_Unsubscribe="true")  # fmt: skip
    told = parse_report(content)
    assert (told.kind, told.feedback_type, told.recipients[0].address) == ("complaint", "opt-out", ANN)  # fmt: skip


def test_notifications_of_amazon_ses() -> None:
    bounce = '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"ann@fabrikam.test","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"reportingMTA":"dsn; a1.amazonses.test"},"mail":{"messageId":"0102"}}'
    told = parse_report(person(bounce, "AWS Notification Message"))
    assert (told.kind, told.recipients[0].address, told.recipients[0].hard) == ("bounce", ANN, True)
    assert told.original_message_ids == ("<0102>",)
    wrapped = '{"Type": "Notification", "Message": ' + repr(bounce).replace('"', '\\"').replace("'", '"') + "}"  # fmt: skip
    assert parse_report(person(wrapped, "AWS Notification Message")).recipients == told.recipients
    complaint = '{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"ann@fabrikam.test"}],"complaintFeedbackType":"abuse"},"mail":{}}'
    told = parse_report(person(complaint, "AWS Notification Message"))
    assert (told.kind, told.feedback_type, told.recipients[0].address) == ("complaint", "abuse", ANN)  # fmt: skip


def test_what_looks_like_a_report_but_says_nothing_is_for_somebody_to_see() -> None:
    told = parse_report(mail("Xyzzy.", subject="Plugh"))
    assert (told.kind, told.understood) == ("other", False)
    assert parse_report(person("Hello", "Lunch?")).understood


def test_a_notification_of_ses_tells_the_returned_headers() -> None:
    text = '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"ann@fabrikam.test"}]},"mail":{"headers":[{"name":"X-Mailroom-Id","value":"m-0001"},{"name":"Message-ID","value":"<order-1@contoso.test>"}]}}'
    told = parse_report(person(text, "AWS Notification Message"))
    assert (told.mailroom_id, told.original_message_ids) == ("m-0001", ("<order-1@contoso.test>",))
