"""Mails that tests lint: good ones, and ways to make others."""

from typing import Any

from shared.findings import Finding
from shared.lint import LintPolicy, lint_message
from shared.messages.model import Address, Attachment, Message

ALL_ON = LintPolicy()


def make_message(**fields: Any) -> Message:
    """A plain message with which lint has no quarrel, unless `fields` bring one in."""
    given: dict[str, Any] = {
        "sender": Address(email="billing@contoso.com"),
        "to": (Address(email="ana@fabrikam.com"),),
        "subject": "Your invoice 1042",
        "text": "Dear Ana, your invoice 1042 is attached.",
    }
    if fields.get("category") == "bulk":
        given["topic"] = "product-news"
    return Message(**(given | fields))


def page(
    body: str, *, head: str = "", preheader: str = "What this mail is about, in short."
) -> str:
    """A whole HTML page with all that lint wants of one."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Your invoice</title>
{head}
</head>
<body style="margin:0;background:#ffffff;color:#222222;font-size:16px">
<div style="display:none;max-height:0;overflow:hidden">{preheader}</div>
{body}
</body>
</html>
"""


def lint(message: Message, *, policy: LintPolicy = ALL_ON) -> list[Finding]:
    return lint_message(message, policy=policy)


def lint_page(body: str, *, head: str = "", **fields: Any) -> list[Finding]:
    """What lint finds in a page whose text is the same by making."""
    from shared.lint.document import read_document

    html = page(body, head=head)
    text = read_document(html).text or "x"
    return lint(make_message(**({"html": html, "text": text} | fields)))


def rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def attach(name: str, content: bytes = b"x", **fields: Any) -> Attachment:
    return Attachment(name=name, content=content, **fields)


RECEIPT_HTML = page(
    """<table role="presentation" width="100%"><tr><td align="center">
<table role="presentation" style="width:100%;max-width:600px">
<tr><td style="padding:24px"><img src="cid:logo" alt="Contoso" width="120" height="40"></td></tr>
<tr><td style="padding:24px">
<h1 style="font-size:24px;margin:0 0 16px">Thank you for your payment</h1>
<p style="line-height:1.5">Dear Ana, we received your payment of € 1,249.90 for invoice 1042 on
26 November 2026. Nothing is left to do.</p>
<table role="presentation" style="width:100%">
<tr><td>Chair &times; 2</td><td align="right">€ 998.00</td></tr>
<tr><td>Delivery</td><td align="right">€ 251.90</td></tr>
<tr><td><strong>Total</strong></td><td align="right"><strong>€ 1,249.90</strong></td></tr>
</table>
<table role="presentation"><tr><td bgcolor="#0b5cad" style="border-radius:4px">
<a href="https://www.contoso.com/invoices/1042?key=9f8e"
 style="display:inline-block;padding:14px 28px;color:#ffffff;text-decoration:none;line-height:20px"
>See the invoice</a></td></tr></table>
<p>Questions? Write to <a href="mailto:billing@contoso.com">billing@contoso.com</a> or see
<a href="https://help.contoso.com/billing">help.contoso.com</a>.</p>
</td></tr>
<tr><td style="padding:24px;font-size:12px;color:#555555">
Contoso Ltd, 1 High Street, London SW1A 1AA
</td></tr>
</table></td></tr></table>""",
    preheader="We received € 1,249.90 for invoice 1042. &#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;",
)

RECEIPT_TEXT = """Thank you for your payment

Dear Ana, we received your payment of € 1.249,90 for invoice 1042 on 26 November 2026.
Nothing is left to do.

Chair × 2      € 998.00
Delivery       € 251.90
Total          € 1,249.90

See the invoice: https://www.contoso.com/invoices/1042?key=9f8e

Questions? Write to billing@contoso.com or see https://help.contoso.com/billing

Contoso Ltd, 1 High Street, London SW1A 1AA
"""

NEWSLETTER_HEAD = """<meta name="color-scheme" content="light dark">
<style>
  .muted { color: #5a5a5a }
  .card { background-color: #f4f6f8 }
  @media only screen and (max-width: 480px) { .column { display: block !important; width: 100% } }
  @media (prefers-color-scheme: dark) {
    body, .card { background-color: #121212 !important }
    body, p, h1, h2, .muted { color: #e6e6e6 !important }
    a { color: #8ab4f8 !important }
    a.button { background-color: #8ab4f8 !important; color: #10131a !important }
  }
</style>"""

NEWSLETTER_HTML = page(
    """<!--[if mso]><table width="600"><tr><td><![endif]-->
<div style="max-width:600px;margin:0 auto">
<p><a href="https://news.contoso.com/2026/12">View in the browser</a></p>
<h1 style="font-size:26px">What is new in December</h1>
<p>Hello Ana, three things changed this month: invoices can be split, the mobile app works without
a connection, and our support team answers on Saturdays too. 🎉</p>
<table role="presentation" width="100%"><tr>
<td class="column card" style="padding:16px"><img src="https://cdn.contoso.com/split.png"
 alt="Two halves of an invoice" width="260" style="max-width:100%"><h2>Split invoices</h2>
<p>Share the cost between departments.
<a href="https://www.contoso.com/blog/split">Read how to split an invoice</a></p></td>
</tr></table>
<p><a class="button" href="https://www.contoso.com/app" style="display:inline-block;
background-color:#0b5cad;color:#ffffff;padding:12px 24px;line-height:20px;text-decoration:none"
>Get the app</a></p>
<p class="muted" style="font-size:12px">You receive this because you subscribed to product news.
<a href="https://mail.contoso.com/api/unsubscribe/abc" style="color:#0b5cad">Unsubscribe</a>
Contoso Ltd, 1 High Street, London SW1A 1AA</p>
</div>
<!--[if mso]></td></tr></table><![endif]-->""",
    head=NEWSLETTER_HEAD,
    preheader="Split invoices, work offline, and reach us on Saturdays.",
)

NEWSLETTER_TEXT = """What is new in December

Hello Ana, three things changed this month: invoices can be split, the mobile app works without a
connection, and our support team answers on Saturdays too.

Split invoices
Share the cost between departments.
Read how to split an invoice: https://www.contoso.com/blog/split

Get the app: https://www.contoso.com/app

You receive this because you subscribed to product news.
Unsubscribe: https://mail.contoso.com/api/unsubscribe/abc
Contoso Ltd, 1 High Street, London SW1A 1AA
"""


def good_receipt() -> Message:
    return make_message(
        subject="Your payment for invoice 1042",
        html=RECEIPT_HTML,
        text=RECEIPT_TEXT,
        attachments=(
            attach("logo.png", b"\x89PNG" + bytes(2000), inline_id="logo"),
            attach("invoice 1042.v2.pdf", b"%PDF-1.7"),
        ),
    )


def good_newsletter() -> Message:
    return make_message(
        sender=Address(email="news@contoso.com"),
        reply_to=(Address(email="help@support.contoso.com"),),
        subject="What is new in December 🎉",
        html=NEWSLETTER_HTML,
        text=NEWSLETTER_TEXT,
        category="bulk",
    )
