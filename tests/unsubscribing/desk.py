"""Everything about unsubscribing on one storage account: links, page, preferences, the check."""

import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import urlencode

from shared.api.answers import Answer
from shared.api.unsubscribing import UnsubscribeApi
from shared.errors import StorageUnavailableError
from shared.messages.record import MessageRecord, RecipientRecord
from shared.pages import Pages
from shared.preferences import Preferences, Topic, Topics
from shared.storage.connection import StorageConnection
from shared.suppression import SuppressionCheck, Suppressions
from shared.unsubscribing import PREFERENCE_PAGES, Subscriber, Tokens
from shared.unsubscribing.limits import VisitLimit
from shared.unsubscribing.page import PreferencePages
from shared.unsubscribing.requests import UnsubscribeRequests
from tests.links.keys import FixedKeys
from tests.storage.account import StoppedClock, make_settings

FORM = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058, section 8.1
NEWS = Topic(
    name="news", names={"en": "Product news", "de": "Neuigkeiten"},
    descriptions={"en": "What is new, once a month."},
)  # fmt: skip
TOPICS = (NEWS, Topic(name="offers"), Topic(name="partners", default_on=False))


@dataclass
class Sent:
    """Messages that are remembered, and events that were sent; `away`: the queue's storage is."""

    records: dict[str, MessageRecord] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False

    async def get(self, message_id: str) -> MessageRecord | None:
        return self.records.get(message_id)

    async def send(self, text: str) -> None:
        if self.away:
            raise StorageUnavailableError("No queue.", fix="Wait.")
        self.events.append(json.loads(text))

    def told(self) -> list[tuple[str, str]]:
        """Type and topic of each event."""
        return [(e["type"].rpartition(".")[2], e["data"]["topic"]) for e in self.events]


@dataclass
class Desk:
    keys: FixedKeys
    clock: StoppedClock
    api: UnsubscribeApi
    preferences: Preferences
    topics: Topics
    check: SuppressionCheck
    limit: VisitLimit
    sent: Sent
    address: str

    async def token(self, topic: str = "news", *, message_id: str = "") -> str:
        message_id = message_id or secrets.token_hex(16)
        return await Tokens(self.keys).make(Subscriber(self.address, topic, message_id))

    def remember(self, message_id: str, topic: str = "news") -> None:
        """A message that was sent, and is not forgotten yet."""
        now = self.clock()
        self.sent.records[message_id] = MessageRecord(
            id=message_id, status="sent", accepted_at=now, finished_at=now, source="http",
            content_hash="", sender="hello@contoso.test", message_id="<m@contoso.test>",
            recipients=(RecipientRecord(self.address, "sent"),), category="bulk", topic=topic,
        )  # fmt: skip

    async def call(
        self, method: str, token: str, body: bytes = b"", content_type: str = FORM, **headers: str
    ) -> Answer:
        given = {"accept-language": "en", "content-type": content_type}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.serve(method, token, body, given)

    async def post(self, token: str, **fields: Any) -> Answer:
        return await self.call("POST", token, urlencode(fields, doseq=True).encode())

    async def undo(self, token: str, page: Answer) -> Answer:
        """Presses the page's button to take it back."""
        hidden = re.findall(rb'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.body)
        fields = [(unescape(n.decode()), unescape(v.decode())) for n, v in hidden]
        return await self.call("POST", token, urlencode([*fields, ("do", "undo")]).encode())

    async def blocked(self, *topics: str) -> list[str]:
        """Those of the topics of which nothing is sent now."""
        return [
            topic
            for topic in topics or ("news", "offers")
            if await self.check.blocked([self.address], category="bulk", topic=topic)
        ]

    async def pause(self) -> datetime | None:
        return (await self.preferences.get(self.address)).paused_until


async def open_desk(storage: StorageConnection, connection: str, **settings: str) -> Desk:
    chosen = {"MAILROOM_BRAND_NAME": "Contoso", **settings}
    loaded = make_settings(connection, **chosen)
    keys, clock, sent = FixedKeys("k" * 40), StoppedClock(), Sent()
    suppressions, topics = Suppressions(storage), Topics(storage, clock=clock)
    for topic in TOPICS:
        await topics.put(topic)
    preferences = Preferences(suppressions, topics, clock=clock)
    limit = VisitLimit(storage, clock=clock)
    requests = UnsubscribeRequests(
        seals=keys, preferences=preferences, topics=topics, records=sent, events=sent, limit=limit,
        clock=clock,
    )  # fmt: skip
    return Desk(
        keys, clock,
        UnsubscribeApi(
            requests, PreferencePages(Pages(loaded, PREFERENCE_PAGES)), language=loaded.language,
            clock=clock,
        ),
        preferences, topics,
        SuppressionCheck(suppressions, topics=topics, clock=clock), limit, sent,
        f"ana.{secrets.token_hex(6)}@example.com",
    )  # fmt: skip


def words(page: Answer) -> str:
    """What a page says."""
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page.body.decode(),
                                    flags=re.DOTALL)).split())  # fmt: skip
