"""The application on the local stack's services, and mail that comes back to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

import pytest

from shared.inbox.mail import FetchedMail
from shared.returned.report import Report, ReportedRecipient
from shared.storage.names import (
    BOUNCE_EVENTS,
    COMPLAINT_EVENTS,
    DELIVERY_EVENTS,
    UNSUBSCRIBE_EVENTS,
)
from tests.operations.conftest import BILLING, Office
from tests.operations.conftest import office as office  # noqa: PLC0414 (a fixture)
from tests.operations.conftest import open_office as open_office  # noqa: PLC0414 (a fixture)
from tests.operations.conftest import services as services  # noqa: PLC0414 (a fixture)

DEAD = ReportedRecipient(
    address="ana@example.com", action="failed", status="5.1.1", reply_code=550,
    diagnostic="550 5.1.1 No such user", reason="user-unknown", hard=True, permanent=True,
)  # fmt: skip
FULL = ReportedRecipient(
    address="ana@example.com", action="failed", status="5.2.2", reply_code=552,
    diagnostic="552 5.2.2 Mailbox full", reason="mailbox-full", permanent=True,
)  # fmt: skip


@dataclass
class Returned:
    """Mail that comes back. The parser is the caller: a mail's octets stand for its report."""

    office: Office
    reports: dict[bytes, Report] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.office.app.feedback.intake._parse = self.reports.__getitem__

    def mail(self, report: Report, *, at: datetime | None = None) -> FetchedMail:
        content = f"mail {report!r}".encode()
        self.reports[content] = report
        received = at or self.office.clock()
        return FetchedMail(
            mailbox=BILLING, folder="INBOX", key=f"1-{len(self.reports)}", received_at=received,
            content=content,
        )  # fmt: skip

    async def take(self, report: Report, *, at: datetime | None = None) -> bool:
        """Hands a mail with this report over."""
        return await self.office.app.feedback.intake.take(self.mail(report, at=at))

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Takes the events off their queues."""
        names = (BOUNCE_EVENTS, COMPLAINT_EVENTS, UNSUBSCRIBE_EVENTS, DELIVERY_EVENTS)
        return [(n, json.loads(text)) for n in names for _, text in await self.office.take(n)]

    async def handle(self) -> list[dict[str, Any]]:
        """Handles what is on the queues, each event twice; returns the events."""
        feedback = self.office.app.feedback
        handlers: dict[str, Any] = {
            BOUNCE_EVENTS: feedback.bounces,
            COMPLAINT_EVENTS: feedback.complaints,
            UNSUBSCRIBE_EVENTS: feedback.unsubscribes,
            DELIVERY_EVENTS: feedback.deliveries,
        }
        found = await self.events()
        for name, event in [*found, *found]:
            await handlers[name].handle(json.dumps(event).encode())
        return [event for _, event in found]

    async def come_back(self, report: Report, *, at: datetime | None = None) -> bool:
        """Hands a report over and handles what it brings about."""
        taken = await self.take(report, at=at)
        await self.handle()
        return taken

    async def sent(self, **changes: Any) -> str:
        """Sends a message; returns its id."""
        message_id = await self.office.post(**changes)
        await self.office.deliver()
        return message_id

    def header(self, message_id: str, name: str) -> str:
        """A header field of the mail as it was sent."""
        [mail] = self.office.mails(message_id)
        value = message_from_bytes(mail.content, policy=policy.default)[name]
        return str(value).strip()

    async def until(self, address: str) -> list[Any]:
        """The ends of an address's suppressions; None: for good."""
        found = await self.office.app._suppressions.find(address)
        return [suppression.until for suppression in found]

    async def statuses(self, message_id: str) -> dict[str, str]:
        view = await self.office.view(message_id)
        return {r["email"]: r["status"] for r in view["recipients"]}

    async def told(self, message_id: str) -> list[tuple[str, str]]:
        """The timeline's entries of what came back: type and detail."""
        entries = await self.office.app._timeline.read(message_id)
        return [(entry.type, entry.detail) for entry in entries]


type Bounce = Callable[..., Report]


@pytest.fixture
def returned(office: Office) -> Returned:
    return Returned(office)


def bounce(*recipients: ReportedRecipient, **values: Any) -> Report:
    """A bounce of these recipients, DEAD if none are given."""
    whole: dict[str, Any] = {"kind": "bounce", "message_id": "<report@remote.test>"} | values
    return Report(recipients=recipients or (DEAD,), **whole)
