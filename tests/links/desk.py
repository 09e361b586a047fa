"""Everything about links on one storage account: who makes, opens and looks after them."""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.api.answers import Answer
from shared.api.files import FilesApi
from shared.api.links import LinksApi
from shared.links import (
    LINK_PAGES,
    LinkedMessage,
    LinkPosting,
    LinkRegister,
    LinkRetention,
    LinkVisits,
)
from shared.messages.model import Message
from shared.messages.timeline import Timeline
from shared.pages import Pages
from shared.settings import Settings
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import SECURE_FILES
from tests.composing.reading import make
from tests.links.keys import FixedKeys
from tests.storage.account import StoppedClock, make_settings

PUBLIC = "https://mail.contoso.test"
PDF = b"%PDF-1.7\n" + b"x" * 1500


@dataclass
class Desk:
    """keys may be exchanged; forwarded: the visitors' X-Forwarded-For."""

    settings: Settings
    keys: FixedKeys
    clock: StoppedClock
    posting: LinkPosting
    register: LinkRegister
    visits: LinkVisits
    files: FilesApi
    links: LinksApi
    retention: LinkRetention
    container: Container
    timeline: Timeline

    async def post(self, *, language: str = "en", shared: str = "", message_id: str = "",
                   **options: Any) -> tuple[LinkedMessage, str]:  # fmt: skip
        """A message with one linked file; returns what is mailed, and the token in it."""
        file = {"name": "Bericht März.pdf", "content_type": "application/pdf", "content": PDF,
                "deliver": "link", **options}  # fmt: skip
        message = make(attachments=[file], html="<html><body><p>Hi</p></body></html>")
        linked = await self.posting.replace(
            message, message_id or secrets.token_hex(8), shared=shared, language=language
        )
        return linked, token_in(linked.message)

    async def get(self, token: str, **headers: str) -> Answer:
        return await self.files.serve("GET", token, b"", {"accept-language": "en", **headers})

    async def fetch(self, token: str, code: str = "", **headers: str) -> Answer:
        body = f"code={code}".encode() if code else b""
        return await self.files.serve("POST", token, body, {"accept-language": "en", **headers})

    async def told(self, message_id: str) -> list[str]:
        return [entry.type for entry in await self.timeline.read(message_id)]

    async def view(self, link_id: str) -> dict[str, Any]:
        link = await self.register.get(link_id)
        assert link is not None
        answer = await self.links.list({"message": link.message_id})
        (shown,) = json.loads(answer.body)["links"]
        assert isinstance(shown, dict)
        return shown


def token_in(message: Message) -> str:
    found = re.search(re.escape(PUBLIC) + r"/api/files/(\S+)", message.text or "")
    assert found
    assert f"{PUBLIC}/api/files/{found[1]}" in (message.html or "")
    return found[1]


def code_in(linked: LinkedMessage) -> str:
    assert linked.code is not None
    found = re.search(r": (\d{6})$", linked.code.text or "", re.MULTILINE)
    assert found
    return found[1]


def open_desk(storage: StorageConnection, connection: str, **settings: str) -> Desk:
    chosen = {"MAILROOM_PUBLIC_URL": PUBLIC, "MAILROOM_BRAND_NAME": "Contoso", **settings}
    loaded = make_settings(connection, **chosen)
    keys, clock = FixedKeys("k" * 40), StoppedClock()
    register = LinkRegister(storage, kept=timedelta(days=30))
    timeline = Timeline(storage)
    visits = LinkVisits(
        storage=storage, register=register, timeline=timeline, signing=keys, clock=clock
    )
    return Desk(
        loaded, keys, clock,
        LinkPosting(loaded, storage=storage, register=register, timeline=timeline, signing=keys,
                    clock=clock),
        register, visits, FilesApi(visits, Pages(loaded, LINK_PAGES)),
        LinksApi(register=register, visits=visits, clock=clock),
        LinkRetention(storage=storage, register=register, clock=clock),
        Container(storage, SECURE_FILES), timeline,
    )  # fmt: skip
