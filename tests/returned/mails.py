"""Returned mails as mail servers write them, made up for these tests."""

ORIGINAL = """\
Received: from app.contoso.test (app.contoso.test [192.0.2.7])
\tby relay.contoso.test (Postfix) with ESMTPS id 4ABCDE
\tfor <{to}>; Tue, 3 Mar 2026 09:30:00 +0100
From: Contoso <news@contoso.test>
To: <{to}>
Subject: Your order
Message-ID: <order-1@contoso.test>
X-Mailroom-Id: m-0001
Date: Tue, 3 Mar 2026 09:30:00 +0100

Thank you for your order.
"""


def mail(
    body: str,
    *,
    sender: str = "MAILER-DAEMON@mx.fabrikam.test",
    subject: str = "failure notice",
    **headers: str,
) -> bytes:
    """A mail to news@contoso.test. Keyword arguments are further headers, `_` for `-`."""
    lines = {
        "Return-Path": "<>",
        "From": sender,
        "To": "news@contoso.test",
        "Subject": subject,
        "Date": "Tue, 3 Mar 2026 09:31:00 +0100",
        "Message-ID": "<report-1@mx.fabrikam.test>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return f"{head}\n{body}".encode()


def report(
    fields: str,
    *,
    said: str = "Your message was not delivered.",
    original: str = ORIGINAL,
    **headers: str,
) -> bytes:
    """A multipart/report with these fields in its second part."""
    body = f"""\
--b1
Content-Type: text/plain; charset=utf-8

{said}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.fabrikam.test
Arrival-Date: Tue, 3 Mar 2026 09:30:30 +0100

{fields}

--b1
Content-Type: message/rfc822

{original.format(to="ann@fabrikam.test")}
--b1--
"""
    kind = 'multipart/report; report-type=delivery-status; boundary="b1"'
    return mail(body, **{"MIME-Version": "1.0", "Content-Type": kind} | headers)
