"""A message to inspect, and what the guard finds in it."""

from typing import Any

from shared.findings import Finding
from shared.guard.inspection import Verdict, inspect
from shared.guard.policy import COUNTRIES, GuardPolicy
from shared.messages.model import Address, Attachment, Message

EVERYTHING = GuardPolicy(actions={"*": "hold", "link-token": "allow"}, national_ids=COUNTRIES)


def message(**changes: Any) -> Message:
    whole: dict[str, Any] = {
        "sender": Address(email="app@contoso.test"),
        "to": (Address(email="ana@example.com"),),
        "subject": "Hello",
        "text": "Hello",
        **changes,
    }
    return Message(**whole)


def file(name: str, content: bytes, kind: str = "text/plain") -> Attachment:
    return Attachment(name=name, content_type=kind, content=content)


def verdict(policy: GuardPolicy = EVERYTHING, **changes: Any) -> Verdict:
    return inspect(message(**changes), policy=policy)


def findings(**changes: Any) -> list[Finding]:
    return list(verdict(**changes).findings)


def rules(**changes: Any) -> list[str]:
    return [finding.rule for finding in findings(**changes)]
