"""What the timer of digests costs: it must grow with what is due, not with what is stored.

Azurite's own access log counts. The same 50 recipients are due, once among few and once among ten
times as many.
"""

import json
import os
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from local.azurite import Azurite
from shared.application import Application
from shared.concurrency import run_bounded
from shared.digests.definition import Definition, Digest
from shared.digests.item import PendingItem
from shared.digests.window import Window, place_of
from shared.settings import load_settings

SENDER = "billing@contoso.test"
DUE = 50  # recipients
ITEMS = 10  # of each
# Recipients; Azurite takes a minute for 2,000.
STORED = (200, int(os.environ.get("BENCH_RECIPIENTS", "2000")))
JSON = {"content-type": "application/json"}
FILES = {
    "template.json": json.dumps(
        {
            "languages": ["en"], "default_language": "en",
            "subject": {"en": "{{ total }} news"}, "preheader": {"en": ""},
        }
    ),
    "body.html": "<p>{% for group in groups %}{% for entry in group.entries %}{{ entry.title }} "
    "{% endfor %}{% endfor %}</p>",
    "sample.json": json.dumps({"total": 1, "groups": [{"entries": [{"title": "One"}]}]}),
    "schema.json": json.dumps({"type": "object"}),
    "texts.json": json.dumps({"en": {}}),
}  # fmt: skip


async def run(console: Console) -> None:
    table = Table("recipients", "items pending", "due", "sent", "transactions", "for each due", "s")
    for recipients in STORED:
        azurite = Azurite(count=True)
        await azurite.start()
        try:
            table.add_row(*map(str, await _measure(azurite, recipients)))
        finally:
            await azurite.stop()
    console.print(table)


async def _measure(azurite: Azurite, recipients: int) -> tuple[object, ...]:
    app = Application(
        load_settings(
            {
                "MAILROOM_SENDERS": json.dumps([SENDER]),
                "MAILROOM_TENANT_ID": "11111111-1111-1111-1111-111111111111",
                "MAILROOM_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
                "AzureWebJobsStorage": azurite.connection_string,
            }
        )
    )
    try:
        await _publish(app)
        digest = await _define(app)
        await run_bounded(lambda n: _fill(app, digest, n), range(recipients), at_once=16)
        before, started = Counter(azurite.requests()), time.perf_counter()
        counts = await app.digests.sending.run()
        seconds = time.perf_counter() - started
        used = (Counter(azurite.requests()) - before).total()
    finally:
        await app.aclose()
    return (
        f"{recipients:,}", f"{recipients * ITEMS:,}", DUE, counts["sent"], f"{used:,}",
        f"{used / DUE:.1f}", f"{seconds:.1f}",
    )  # fmt: skip


async def _publish(app: Application) -> None:
    answer = await app.templates.put("gathered", json.dumps({"files": FILES}).encode(), JSON)
    assert answer.status == 201, answer.body
    answer = await app.templates.publish("gathered", b"", JSON)
    assert answer.status == 200, answer.body


async def _define(app: Application) -> Digest:
    definition = Definition.model_validate(
        {
            "from": {"email": SENDER}, "template": "gathered", "category": "transactional",
            "schedule": {"kind": "window", "minutes": 60},
        }
    )  # fmt: skip
    return (await app.digests.definitions.put("news", definition))[0]


async def _fill(app: Application, digest: Digest, number: int) -> None:
    """A recipient's items; the first ones' window is due in a moment, the others' in a day."""
    now, email = datetime.now(UTC), f"p{number}@example.com"
    due = now + (timedelta(0) if number < DUE else timedelta(days=1))

    async def open_window(_: Window | None) -> Window:
        return Window(
            digest=digest.name, uid=digest.uid, email=email, open=f"w{number}", opened_at=now,
            due=due,
        )  # fmt: skip

    items = [
        PendingItem(id=f"i{n}", data={"title": f"Item {n}"}, occurred_at=now, added_at=now)
        for n in range(ITEMS)
    ]
    await app.digests.windows.add(
        place_of(digest.uid, email), items, open_window, keep=False,
        remembered_until=now + timedelta(days=30),
    )  # fmt: skip
