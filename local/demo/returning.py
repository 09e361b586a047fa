"""What comes back: a bounce, a full mailbox and a complaint, and what they bring about."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from local.contoso import MAILBOXES
from local.demo.checks import Checks, console
from local.demo.messages import FINAL, Json, message
from local.mailboxes import ReceivedMail
from local.stack import LocalStack

ACCEPTED = 202
PATIENCE = 40.0  # seconds for each step


@dataclass(slots=True)
class Story:
    """One recipient of whom something comes back. expected: what it is, on the timeline;
    reason: what the next sender must be told; moments: when what was seen."""

    address: str
    expected: str
    reason: str
    id: str = ""
    view: Json = field(default_factory=dict)
    again: Json = field(default_factory=dict)
    moments: list[tuple[datetime, str, str]] = field(default_factory=list)

    def note(self, what: str, detail: str = "", at: datetime | None = None) -> None:
        self.moments.append((at or datetime.now(UTC), what, detail))

    @property
    def event(self) -> Json | None:
        """The timeline's entry of what came back."""
        entries = self.view.get("timeline", [])
        return next((entry for entry in entries if entry["type"] == self.expected), None)


def _stories() -> list[Story]:
    return [
        Story("nobody@example.com", "bounced", "RecipientNotFound"),
        Story("mailbox-full@example.net", "bounced", "Suppressed until"),
        Story("complains@example.org", "complained", "complained since"),
    ]


class ReturningDemo:
    """Sends, lets it come back, has it read, and sends again."""

    def __init__(self, stack: LocalStack, client: Any, checks: Checks) -> None:
        self._stack = stack
        self._client = client
        self._checks = checks
        self._stories = _stories()

    async def run(self) -> None:
        console.print()
        console.rule("What comes back")
        await asyncio.gather(*(self._send(story) for story in self._stories))
        await self._be_read()
        for story in self._stories:
            await self._send_again(story)
        self._show()
        for story in self._stories:
            self._check(story)

    async def _send(self, story: Story) -> None:
        answer = await self._post(story, "Your invoice 1042")
        story.id = answer.get("id", "")
        story.note("accepted", "202")
        report = asyncio.create_task(self._come_back(story))
        deadline = time.monotonic() + PATIENCE
        while story.view.get("status") not in FINAL and time.monotonic() < deadline:
            await self._look(story)
            await asyncio.sleep(0.1)
        for entry in story.view.get("timeline", []):
            if entry["type"] == "sent":
                at = datetime.fromisoformat(entry["at"])
                story.note("sent", "Office 365: 250 OK", at)
        await report

    async def _come_back(self, story: Story) -> None:
        """Waits for the report in the sender's mailbox."""

        def about_it(mail: ReceivedMail) -> bool:
            return story.id.encode() in mail.content

        mailbox = MAILBOXES[0]
        try:
            report = await self._stack.mailboxes.wait_for(mailbox, about_it, PATIENCE)
        except TimeoutError:
            self._checks.expect(f"{story.address}: a report comes back", holds=False)
            return
        subject = report.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()
        story.note(f"a report is in {mailbox}", subject)

    async def _be_read(self) -> None:
        """Has the mailboxes read now, rather than at second 20 of the next minute, until what came
        back has been handled."""
        deadline = time.monotonic() + PATIENCE
        url = f"{self._stack.host.url}/admin/functions/read_returned_mail"
        headers = {"x-functions-key": self._stack.host.master_key}
        asked = 0.0
        while any(s.event is None for s in self._stories) and time.monotonic() < deadline:
            if time.monotonic() - asked > 5:  # noqa: PLR2004
                asked = time.monotonic()
                async with self._client.post(url, json={}, headers=headers):
                    pass
            await asyncio.sleep(0.2)
            for story in [one for one in self._stories if one.event is None]:
                await self._look(story)
                if story.event is not None:
                    story.note(f"read; the timeline: {story.expected}", story.event["detail"])

    async def _send_again(self, story: Story) -> None:
        story.again = await self._post(story, "A reminder of invoice 1042")
        why = [one["reason"] for one in story.again.get("suppressed", [])]
        story.note(f"the next message: {story.again.get('status')}", " ".join(why))

    async def _post(self, story: Story, subject: str) -> Json:
        body = message(subject, text="Please pay.", to=[{"email": story.address}])
        async with self._client.post(f"{self._stack.url}/messages", json=body) as response:
            answer: Json = await response.json(content_type=None)
        accepted = response.status == ACCEPTED
        if not accepted:
            self._checks.expect(f"{subject} is accepted", holds=False, seen=answer)
        return answer

    async def _look(self, story: Story) -> None:
        async with self._client.get(f"{self._stack.url}/messages/{story.id}") as response:
            if response.ok:
                story.view = await response.json()

    def _show(self) -> None:
        table = Table("recipient", "at", "what", "detail")
        for story in self._stories:
            story.moments.sort(key=lambda moment: moment[0])
            begin = story.moments[0][0]
            for number, (at, what, detail) in enumerate(story.moments):
                clock = at.isoformat(timespec="milliseconds")[11:23]
                since = f"+{(at - begin).total_seconds():.2f} s"
                table.add_row(
                    f"[bold]{story.address}[/]" if number == 0 else "",
                    clock if number == 0 else since,
                    what, detail[:90], end_section=number == len(story.moments) - 1,
                )  # fmt: skip
        console.print(table)

    def _check(self, story: Story) -> None:
        statuses = {one["email"]: one["status"] for one in story.view.get("recipients", [])}
        self._checks.expect(
            f"{story.address}: {story.expected}, the message stays sent",
            holds=story.event is not None
            and statuses == {story.address: story.expected}
            and story.view["status"] == "sent",
            seen=story.view,
        )
        suppressed = {one["email"]: one["reason"] for one in story.again.get("suppressed", [])}
        reason = suppressed.get(story.address, "")
        mails = [kept for kept in self._stack.office365.messages if story.address in kept.addresses]
        self._checks.expect(
            f"{story.address}: the next message is suppressed, and says why: {reason}",
            holds=story.again.get("status") == "suppressed"
            and story.reason in reason
            and len(mails) == 1,
            seen=story.again,
        )
