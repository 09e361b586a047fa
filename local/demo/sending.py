"""Messages of many kinds, by HTTP and by the queue."""

import asyncio
import base64
import json
import secrets
import time
from email.message import EmailMessage
from typing import Any

from rich.live import Live
from rich.table import Table

from local.demo.checks import Checks, console, eventually
from local.demo.messages import FINAL, Json, Step, matches, message, parse, png, seconds
from local.stack import LocalStack

PATIENCE = 60.0  # seconds until every message must have its final status


class SendingDemo:
    """Sends, waits, shows, checks."""

    def __init__(self, stack: LocalStack, client: Any, checks: Checks) -> None:
        self._stack = stack
        self._client = client
        self.checks = checks
        self.steps: list[Step] = []
        self._file = b"%PDF-1.7\n" + secrets.token_bytes(1024 * 1024)
        self._key = secrets.token_hex(8)

    async def send(self) -> None:
        """Gives every message to Mailroom, and shows what is refused."""
        console.rule("Sending")
        for title, given in self._http_messages():
            key = self._key if title.startswith("Unicode") else None
            await self._post(Step(title, "HTTP", given), key)
        await self._post_again()
        await self._post_invalid()
        await self._enqueue()

    def _http_messages(self) -> list[tuple[str, Json]]:
        image = base64.b64encode(png()).decode()
        return [
            ("Unicode, HTML and text", message(
                "Grüße aus Zürich – Ваш счёт готов 📬",
                text="Hállo Ána,\n\nIhre Rechnung über 1.042 € liegt bei.\n",
                html="<p>Hállo <b>Ána</b>,</p><p>Ihre Rechnung über 1.042 € liegt bei.</p>")),
            ("Attachment of 1 MB", message(
                "Your report", text="The report is attached.",
                attachments=[{
                    "name": "Bericht März.pdf", "content_type": "application/pdf",
                    "content": base64.b64encode(self._file).decode()}])),
            ("Inline image", message(
                "A picture in the mail", text="There is a picture in the HTML.",
                html='<p>Here it is:</p><img src="cid:square" alt="A blue square">',
                attachments=[{
                    "name": "square.png", "content_type": "image/png", "content": image,
                    "inline_id": "square"}])),
            ("3 recipients, 1 refused", message(
                "Team news", text="Hello, all of you.",
                to=[{"email": "ben@example.com"}, {"email": "unknown@example.com"},
                    {"email": "cleo@example.com"}])),
        ]  # fmt: skip

    async def _post(self, step: Step, key: str | None = None) -> None:
        headers = {"Idempotency-Key": key} if key else {}
        url = f"{self._stack.url}/messages"
        async with self._client.post(url, json=step.message, headers=headers) as response:
            answer = await response.json(content_type=None)
        if response.status != 202:  # noqa: PLR2004
            self.checks.expect(f"{step.title} is accepted", holds=False, seen=answer)
            return
        step.id = answer["id"]
        self.steps.append(step)
        console.print(f"  {step.way:5}  202  {step.title}")

    async def _post_again(self) -> None:
        first = self.steps[0]
        url, headers = f"{self._stack.url}/messages", {"Idempotency-Key": self._key}
        async with self._client.post(url, json=first.message, headers=headers) as response:
            answer = await response.json(content_type=None)
        self.checks.expect(
            "the same request again: the first answer, no second mail",
            holds=response.status == 202 and answer["id"] == first.id,  # noqa: PLR2004
            seen=answer,
        )
        other = {**first.message, "subject": "Another message"}
        async with self._client.post(url, json=other, headers=headers) as response:
            answer = await response.json(content_type=None)
        self.checks.expect(
            "the same key for another message: 409",
            holds=response.status == 409,  # noqa: PLR2004
            seen=answer,
        )

    async def _post_invalid(self) -> None:
        invalid = {"from": {"email": "billing@contoso.test"}, "to": [{"email": "ana@example"}],
                   "subject": "Hello\r\nBcc: everyone@example.com", "text": "x"}  # fmt: skip
        async with self._client.post(f"{self._stack.url}/messages", json=invalid) as response:
            answer = await response.json(content_type=None)
        console.print(f"  HTTP   {response.status}  An invalid message:")
        for error in answer.get("errors", []):
            console.print(f"             {error['pointer']}: {error['detail']} {error['fix']}")
        pointers = {error["pointer"] for error in answer.get("errors", [])}
        self.checks.expect(
            "an invalid message: 422, each fault with its field and fix",
            holds=response.status == 422 and pointers == {"/to/0/email", "/subject"},  # noqa: PLR2004
            seen=answer,
        )

    async def _enqueue(self) -> None:
        from azure.storage.queue.aio import QueueClient

        plain = message("From the queue, plain", text="Dropped by another service.")
        coded = message("From the queue, base64", text="Dropped by another service.")
        plain["id"] = f"demo-{self._key}-plain"
        coded["id"] = f"demo-{self._key}-base64"
        texts = {
            "plain JSON": (plain, json.dumps(plain)),
            "base64 JSON": (coded, base64.b64encode(json.dumps(coded).encode()).decode()),
        }
        async with QueueClient.from_connection_string(
            self._stack.azurite.connection_string,
            "outbound-mail",
            **self._stack.storage_options,
        ) as queue:
            for title, (given, text) in texts.items():
                await queue.send_message(text)
                step = Step(title, "queue", given, id=given["id"])
                self.steps.append(step)
                console.print(f"  queue       {title}")
            await queue.send_message('{"from": {"email": "billing@contoso.test"}, "to": "nobody"}')
            console.print("  queue       an invalid message")
        console.print()

    async def wait(self) -> None:
        """Follows the messages until each has its final status."""
        deadline = time.monotonic() + PATIENCE
        with Live(self._progress(), console=console, transient=True) as live:
            while time.monotonic() < deadline:
                await asyncio.gather(*(self._look(step) for step in self.steps))
                live.update(self._progress())
                if all(step.status in FINAL for step in self.steps):
                    return
                await asyncio.sleep(0.2)

    async def _look(self, step: Step) -> None:
        if step.status in FINAL:
            return
        async with self._client.get(f"{self._stack.url}/messages/{step.id}") as response:
            if response.status == 200:  # noqa: PLR2004
                step.view = await response.json()

    def _progress(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for step in self.steps:
            table.add_row(step.way, step.title, step.status)
        return table

    def show(self) -> None:
        """Each message's timeline."""
        console.rule("What became of them")
        table = Table("message", "at", "event", "recipients", "reply", show_lines=False)
        for step in self.steps:
            events = step.view.get("timeline", [])
            begin = events[0]["at"] if events else ""
            for number, event in enumerate(events):
                table.add_row(
                    f"[bold]{step.title}[/] ({step.way})" if number == 0 else "",
                    event["at"][11:23] if number == 0 else f"+{seconds(begin, event['at']):.2f} s",
                    event["type"],
                    ", ".join(event["recipients"]),
                    event["reply"][:60] or event["detail"][:60],
                    end_section=number == len(events) - 1,
                )
        console.print(table)

    async def check(self) -> None:
        """What the submission server holds must be what was sent."""
        console.rule("Checks")
        mails = {
            str(mail["X-Mailroom-Id"]).rpartition(".")[0]: mail  # without its signature
            for mail in map(parse, self._stack.office365.messages)
        }
        for step in self.steps:
            self.checks.expect(
                f"{step.title} ({step.way}): {step.expected}",
                holds=step.status == step.expected,
                seen=step.status,
            )
            mail = mails.get(step.id)
            self.checks.expect(
                "… and the server has it, subject and text unchanged",
                holds=mail is not None and matches(mail, step.message),
                seen=mail and mail["Subject"],
            )
        count = len(self._stack.office365.messages)
        self.checks.expect(
            f"{len(self.steps)} mails, none twice", holds=count == len(self.steps), seen=count
        )
        self._check_parts(mails)
        await eventually(self._check_poison, self.checks)

    def _check_parts(self, mails: dict[str, EmailMessage]) -> None:
        by_title = {step.title: step for step in self.steps}
        attached = mails.get(by_title["Attachment of 1 MB"].id)
        files = list(attached.iter_attachments()) if attached is not None else []
        self.checks.expect(
            "the attachment of 1 MB arrived byte for byte, under its name",
            holds=len(files) == 1
            and files[0].get_content() == self._file
            and files[0].get_filename() == "Bericht März.pdf",
        )
        refused = by_title["3 recipients, 1 refused"].view.get("recipients", [])
        states = {r["email"]: r["status"] for r in refused}
        self.checks.expect(
            "of 3 recipients 2 were served and 1 was refused, each with its own status",
            holds=states
            == {
                "ben@example.com": "sent",
                "unknown@example.com": "rejected",
                "cleo@example.com": "sent",
            },
            seen=states,
        )

    async def _check_poison(self) -> tuple[str, bool]:
        from azure.storage.blob.aio import ContainerClient

        reason = ""
        async with ContainerClient.from_connection_string(
            self._stack.azurite.connection_string,
            "mail-content",
            **self._stack.storage_options,
        ) as container:
            async for blob in container.list_blobs(name_starts_with="refused/"):
                stream = await container.download_blob(blob.name)
                reason = json.loads(await stream.readall())["reason"]
        what = f"the invalid queue message is parked with its reason: {reason[:90]}"
        return what, bool(reason)
