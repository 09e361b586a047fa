"""Items by HTTP and by the queue, two readers in different zones, one mail for each."""

import asyncio
import json
import re
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table

from local.demo.checks import Checks, console
from local.demo.messages import Json, parse
from local.stack import LocalStack

DIGEST = "shop-news"
PATIENCE = 40.0
CAP = 6

READERS = (
    {"email": "berta@example.com", "name": "Berta", "time_zone": "Europe/Berlin"},
    {"email": "kenji@example.org", "name": "Kenji", "time_zone": "Asia/Tokyo"},
)
ORDERS = [f"Order C-{number} was delivered" for number in range(1041, 1047)]
COMMENTS = ["Ben Ortiz on “Plan for December”", "Chloé Martin on “Showroom in Lyon”"]
URGENT = "Order C-1047 was returned"
TOTAL = len(ORDERS) + len(COMMENTS) + 1


class DigestDemo:
    """Defines a digest, adds items, shows when they are due, and has them sent now."""

    def __init__(self, stack: LocalStack, client: Any, checks: Checks) -> None:
        self._stack = stack
        self._client = client
        self._checks = checks
        self._dues: dict[str, str] = {}

    async def run(self) -> None:
        console.print()
        console.rule("Digests")
        await self._define()
        await self._post([_item(title, "Orders") for title in ORDERS])
        await self._enqueue([_item(title, "Comments") for title in COMMENTS])
        for reader in READERS:
            await self._preview(reader, TOTAL - 1)
        console.print("  queue  an urgent item: what has gathered goes now")
        await self._enqueue([_item(URGENT, "Orders", urgent=True)])
        for reader in READERS:
            await self._arrive(reader)

    async def _define(self) -> None:
        definition = {
            "from": {"email": "billing@contoso.test", "name": "Contoso"},
            "schedule": {"kind": "daily", "at": "08:00"},
            "title": "Your shop", "group_by": "kind", "cap": CAP, "cap_keeps": "last",
        }  # fmt: skip
        url = f"{self._stack.url}/digests/{DIGEST}"
        async with self._client.put(url, json=definition) as response:
            answer = await response.json(content_type=None)
        self._checks.expect(
            "a digest, daily at 08:00 of each reader, is defined",
            holds=response.status == 201,  # noqa: PLR2004
            seen=answer,
        )

    async def _post(self, items: list[Json]) -> None:
        url = f"{self._stack.url}/digests/{DIGEST}/items"
        async with self._client.post(url, json={"items": items}) as response:
            answer = await response.json(content_type=None)
        taken = len(items) * len(READERS)
        console.print(f"  HTTP   {response.status}  {len(items)} items for {len(READERS)} readers")
        self._checks.expect("they are taken", holds=answer.get("accepted") == taken, seen=answer)

    async def _enqueue(self, items: list[Json]) -> None:
        from azure.storage.queue.aio import QueueClient

        async with QueueClient.from_connection_string(
            self._stack.azurite.connection_string,
            "digest-items",
            **self._stack.storage_options,
        ) as queue:
            await queue.send_message(json.dumps({"digest": DIGEST, "items": items}))
        console.print(f"  queue  {len(items)} items for {len(READERS)} readers")

    async def _preview(self, reader: Json, total: int) -> None:
        """Waits until all items are there, and notes when they are due."""
        url = f"{self._stack.url}/digests/{DIGEST}/preview"
        view: Json = {}
        deadline = time.monotonic() + PATIENCE
        while view.get("total") != total and time.monotonic() < deadline:
            async with self._client.post(url, params={"recipient": reader["email"]}) as response:
                view = await response.json(content_type=None)
            await asyncio.sleep(0.1)
        due = datetime.fromisoformat(view["due"]) if view.get("due") else None
        local = due.astimezone(ZoneInfo(reader["time_zone"])) if due else None
        self._checks.expect(
            f"{reader['name']}: {view.get('total')} items are due at {view.get('due')}: "
            f"{local:%H:%M} in {reader['time_zone']}",
            holds=local is not None and (local.hour, local.minute) == (8, 0),
            seen=view,
        )

    async def _arrive(self, reader: Json) -> None:
        address = reader["email"]
        try:
            kept = await self._stack.office365.wait_for(
                lambda mail: address in mail.addresses, PATIENCE
            )
        except TimeoutError:
            self._checks.expect(f"{address}: the digest arrives", holds=False)
            return
        mail = parse(kept)
        body = mail.get_body(("plain",))
        text = re.sub(r"\s+", " ", body.get_content()) if body is not None else ""
        table = Table(f"{mail['Subject']}", show_header=True)
        table.add_row(text[:700])
        console.print(table)
        shown = [title for title in (*ORDERS, *COMMENTS, URGENT) if title in text]
        count = sum(address in one.addresses for one in self._stack.office365.messages)
        self._checks.expect(
            f"{reader['name']}: one mail, both groups, {TOTAL} in all, {CAP} of them shown",
            holds=count == 1 and str(TOTAL) in text and len(shown) == CAP and URGENT in shown
            and {"Orders", "Comments"} <= set(text.split()),
            seen=text,
        )  # fmt: skip


def _item(title: str, kind: str, **options: object) -> Json:
    return {"to": list(READERS), "data": {"kind": kind, "title": title}, **options}
