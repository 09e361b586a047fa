"""What Office 365's replies mean: its known replies as a table, and a few rules for all others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.delivery.replies import Reply, read_reply

STAMP = "[PR3P189CA0001.EURP189.PROD.OUTLOOK.COM 2026-11-02T12:00:00.000Z 08DE1234]"

# The reply; what is to be done; what it speaks of; a word of the advice ("" where nothing helps).
KNOWN = [
    # Connections and service trouble
    ("432 4.3.2 Concurrent connections limit exceeded", "retry", "mailbox", "connections"),
    ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", "retry", "mailbox",
     "connections"),
    ("432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "retry", "recipient", ""),
    (("430 4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:"
     "ConnectionFailedTransientException.MapiExceptionLogonFailed; Failed to process message"),
     "fail", "mailbox", "Add-MailboxPermission"),
    ("421 4.3.2 Service not active", "retry", "service", ""),
    ("451 4.7.0 Temporary server error. Please try again later. PRX2", "retry", "service", ""),
    ("421 4.4.1 Connection timed out", "retry", "service", ""),
    ("451 4.4.2 Connection dropped", "retry", "service", ""),
    ("450 4.7.25 Client host rejected", "retry", "service", ""),
    ("454 4.7.0 Temporary authentication failure", "retry", "service", ""),
    # Signing in
    (f"535 5.7.3 Authentication unsuccessful {STAMP}", "credentials", "mailbox", "object id"),
    (("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the "
     "Mailbox. Visit https://aka.ms/smtp_auth_disabled"), "fail", "mailbox", "Set-CASMailbox"),
    (("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the "
     "Tenant."), "fail", "mailbox", "Set-TransportConfig"),
    ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "fail",
     "mailbox", "OAuth2"),
    ("550 5.7.30 Basic authentication is not supported for Client Submission.", "fail", "mailbox",
     "OAuth2"),
    ("550 5.7.30 This client cannot submit", "fail", "mailbox", "OAuth2"),
    (("535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be "
     "authenticated successfully."), "fail", "tenant", "polic"),
    (("535 5.7.139 Authentication unsuccessful, user is locked by your organization's security "
     "defaults policy."), "fail", "tenant", "polic"),
    ("530 5.7.57 Client not authenticated to send mail.", "retry", "service", "signed in"),
    # From
    ("554 5.2.252 SendAsDenied; billing@contoso.com not allowed to send as x@contoso.com", "fail",
     "message", "SendAs"),
    ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "fail", "message",
     "SendAs"),
    ("554 5.7.60 SendAsDenied", "fail", "message", "SendAs"),
    # The mailbox is blocked: 550, where 554 above is about the one message
    *(
        (f"550 5.2.25{n} Sender throttled due to continuous {what} errors", "retry", "mailbox",
         "wait")
        for n, what in enumerate(["invalid recipients", "SendAsDenied", "quota", "spam", "x"], 1)
    ),
    # Quotas
    (("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process "
     "message due to a permanent exception"), "retry", "mailbox", "10,000"),
    ("550 5.1.90 Your message can't be sent because you've reached your daily limit", "retry",
     "mailbox", "10,000"),
    ("554 5.2.2 Submission quota exceeded", "retry", "mailbox", "10,000"),
    ("550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit",
     "retry", "tenant", "TERRL"),
    ("550 5.7.232 Your message can't be sent because your trial tenant has exceeded its limit",
     "retry", "tenant", "TERRL"),
    ("550 5.7.236 Your message can't be sent from an onmicrosoft.com domain", "retry", "tenant",
     "domain of your own"),
    # The mailbox itself
    (("554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException."
     "MapiExceptionShutoffQuotaExceeded"), "fail", "mailbox", "Sent Items"),
    ("550 5.1.8 Access denied, bad outbound sender", "fail", "mailbox", "Restricted entities"),
    ("550 5.7.501 Access denied, spam abuse detected", "fail", "mailbox", "Restricted entities"),
    ("550 5.7.502 Access denied, banned sender", "fail", "mailbox", "Restricted entities"),
    ("550 5.7.503 Access denied, banned sender", "fail", "mailbox", "Restricted entities"),
    # The tenant
    ("550 5.7.705 Access denied, tenant has exceeded threshold", "fail", "tenant", "support"),
    ("550 5.7.708 Access denied, traffic not accepted from this IP", "fail", "tenant", "support"),
    ("550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
     "fail", "tenant", "add the domain"),
    # Recipients
    ("550 5.2.121 Recipient's per hour message receive limit exceeded", "retry", "recipient", ""),
    ("550 5.2.122 The recipient has exceeded their limit", "retry", "recipient", ""),
    ("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", "fail", "recipient", "No such address"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", "fail", "recipient",
     "No such address"),
    ("550 5.4.1 Recipient address rejected: Access denied.", "fail", "recipient",
     "No such address"),
    ("550 5.1.6 Recipient mailbox has moved", "fail", "recipient", "No such address"),
    ("501 5.1.3 Invalid address", "fail", "recipient", "No such address"),
    # Policy
    ("550 5.7.1 Delivery not authorized, message refused", "fail", "message", "DMARC"),
    ("550 5.7.515 Access denied, sending domain doesn't meet the required level", "fail",
     "message", "DKIM"),
    ("550 5.7.26 Unauthenticated email is not accepted", "fail", "message", "SPF"),
    ("552 5.3.4 Message size exceeds fixed maximum message size", "fail", "message",
     "MaxSendSize"),
    # High Volume Email
    ("501 5.5.127 Token is about to expire", "credentials", "mailbox", "token"),
    ("535 5.7.142 The access token expired", "credentials", "mailbox", "Add-HVEAppAccess"),
    ("535 5.7.143 The access token has not the permission", "credentials", "mailbox", "Mail.Send"),
    ("535 5.7.144 The access token is of another tenant", "credentials", "mailbox", "Mail.Send"),
    ("550 5.7.240 The app is not on the allow-list", "fail", "mailbox", "Add-HVEAppAccess"),
]  # fmt: skip


def reply_of(line: str) -> Reply:
    return Reply(int(line[:3]), line[4:])


@pytest.mark.parametrize(("line", "action", "scope", "advice"), KNOWN)
def test_a_known_reply(line: str, action: str, scope: str, advice: str) -> None:
    meaning = read_reply(reply_of(line))
    assert (meaning.action, meaning.scope) == (action, scope)
    assert advice in meaning.fix
    assert bool(advice) == bool(meaning.fix)


@pytest.mark.parametrize(("line", "action", "scope", "advice"), KNOWN)
def test_at_rcpt_it_is_about_the_recipient_unless_it_speaks_of_mailbox_or_tenant(
    line: str, action: str, scope: str, advice: str
) -> None:
    meaning = read_reply(reply_of(line), at_recipient=True)
    expected = scope if scope in {"mailbox", "tenant"} else "recipient"
    assert (meaning.action, meaning.scope) == (action, expected)
    assert advice in meaning.fix


@pytest.mark.parametrize(
    ("line", "action", "scope"),
    [
        ("250 2.0.0 OK", "done", "message"),
        ("251 2.1.5 Will forward", "done", "message"),
        ("450 Busy", "retry", "service"),
        ("499 4.9.9 Unheard of", "retry", "service"),
        ("500 5.3.3 Unrecognized command", "fail", "message"),
        ("501 5.5.4 Invalid arguments", "fail", "message"),
        ("503 5.5.2 Need rcpt command", "fail", "message"),
        ("550 No", "fail", "message"),
        ("554 5.6.0 Unheard of", "fail", "message"),
        ("599 5.9.9 Unheard of", "fail", "message"),
        ("334 ", "retry", "service"),
    ],
)
def test_any_other_reply_by_its_first_digit(line: str, action: str, scope: str) -> None:
    meaning = read_reply(reply_of(line))
    assert (meaning.action, meaning.scope) == (action, scope)


def test_the_enhanced_code_decides_where_the_text_is_another_language_or_none() -> None:
    assert read_reply(Reply(550, "5.1.10")).scope == "recipient"
    assert read_reply(Reply(550, "5.2.252 gedrosselt")).action == "retry"
    assert read_reply(Reply(554, "5.2.252 verweigert")).action == "fail"


def test_a_code_in_the_middle_of_the_text_is_not_the_reply_s() -> None:
    meaning = read_reply(Reply(550, "Remote said 5.1.10 not found"))
    assert (meaning.action, meaning.scope) == ("fail", "message")


def test_a_recipient_s_full_mailbox_is_not_the_sender_s() -> None:
    for line in ("452 4.2.2 Mailbox full", "552 5.2.2 Mailbox full"):
        assert read_reply(reply_of(line), at_recipient=True).scope == "recipient"
        assert "Sent Items" not in read_reply(reply_of(line), at_recipient=True).fix
        assert "MaxSendSize" not in read_reply(reply_of(line), at_recipient=True).fix


@pytest.mark.parametrize(
    ("reply", "enhanced", "status"),
    [
        (Reply(550, "5.1.10 No"), "5.1.10", "5.1.10"),
        (Reply(550, "5.1.10"), "5.1.10", "5.1.10"),
        (Reply(550, "No"), "", "550"),
        (Reply(550, "5.1.1000 No"), "", "550"),
        (Reply(550, "3.1.1 No"), "", "550"),
        (Reply(550, ""), "", "550"),
    ],
)
def test_codes(reply: Reply, enhanced: str, status: str) -> None:
    assert (reply.enhanced, reply.status) == (enhanced, status)


@pytest.mark.parametrize(
    ("code", "text", "server_id"),
    [
        (250, "2.0.0 OK <abc@PROD.OUTLOOK.COM> [Hostname=X.prod.outlook.com]",
         "<abc@PROD.OUTLOOK.COM>"),
        (250, "2.0.0 OK", ""),
        (250, "2.0.0 OK <a b>", ""),
        (550, "5.1.1 <ana@example.com> unknown", ""),
        (250, "2.0.0 OK <" + "x" * 400 + ">", ""),
    ],
)  # fmt: skip
def test_the_server_s_id_is_read_from_the_250(code: int, text: str, server_id: str) -> None:
    assert Reply(code, text).server_id == server_id


@settings(deadline=None, derandomize=True)
@given(code=st.integers(-1, 999), text=st.text(st.characters(), max_size=700))
def test_any_reply_can_be_read_and_shown(code: int, text: str) -> None:
    reply = Reply(code, text)
    for at_recipient in (False, True):
        meaning = read_reply(reply, at_recipient=at_recipient)
        assert (meaning.action == "done") == (200 <= code < 300)
    shown = str(reply)
    assert len(shown) <= 500
    assert shown.isprintable()
    shown.encode()
