"""A mail to hand over, for the tests of sessions and pools."""

from dataclasses import replace
from typing import Any

from shared.delivery.session import Mail

BILLING = "billing@contoso.test"
CONTENT = b"From: billing@contoso.test\r\nSubject: x\r\n\r\nHello.\r\n"


def mail(*recipients: str, **changes: Any) -> Mail:
    whole = Mail(BILLING, recipients or ("ana@example.com",), CONTENT, envelope_id="m1")
    return replace(whole, **changes)
