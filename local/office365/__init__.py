"""Office 365 for one machine: the submission service (SMTP) and an inbox to look into.

Own code on asyncio, made to be true to the standards and to Exchange Online's replies and
limits, and fast enough to measure senders with.
"""

from .faults import Fault
from .mail import KeptMessage
from .returns import RETURN_RULES, ReturnRule, Returns
from .server import Office365Server
from .tenant import RECIPIENT_RULES, Limits, Mailbox, RecipientRule, Tenant

__all__ = [
    "RECIPIENT_RULES",
    "RETURN_RULES",
    "Fault",
    "KeptMessage",
    "Limits",
    "Mailbox",
    "Office365Server",
    "RecipientRule",
    "ReturnRule",
    "Returns",
    "Tenant",
]
