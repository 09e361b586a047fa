"""Digests on the whole application: items in, mails out."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any, NamedTuple

import pytest

from shared.api.answers import Answer
from tests.operations.conftest import (
    BILLING,
    Json,
    Office,
    OpenOffice,
    open_office,
    read,
    services,
)
from tests.templates.sources import make_bundle, text

__all__ = ["open_office", "services"]

JSON = {"content-type": "application/json"}
ANA = "ana@example.com"
BODY = (
    "{% for group in groups %}[{{ group.title }} {{ group.total }}:"
    "{% for entry in group.entries %} {{ entry.title }}{% endfor %}]{% endfor %}"
    " total {{ total }} more {{ more }} {{ cadence }} {{ since }} {{ until }}"
)


class Mail(NamedTuple):
    to: str
    subject: str
    text: str


@dataclass
class Desk:
    """An office that has a digest."""

    office: Office
    mailing: Office
    before: int

    async def define(self, name: str = "news", **changes: Any) -> Answer:
        definition = {
            "from": {"email": BILLING},
            "template": "gathered",
            "title": "News",
            "schedule": {"kind": "window", "minutes": 60},
            "category": "transactional",
            **changes,
        }
        body = json.dumps(definition).encode()
        return await self.office.app.digests_api.put(name, body, JSON)

    async def add(self, *items: Json, name: str = "news", key: str = "") -> Json:
        headers = JSON | ({"idempotency-key": key} if key else {})
        body = json.dumps({"items": items}).encode()
        answer = await self.office.app.digests_api.post_items(name, body, headers)
        assert answer.status == 202, answer.body
        return read(answer)

    async def send(self) -> dict[str, int]:
        return dict(await self.office.app.digests.sending.run())

    async def pass_time(self, **span: float) -> dict[str, int]:
        self.office.clock.ahead += timedelta(**span)
        return await self.send()

    def at(self, moment: datetime) -> None:
        """Sets the clock."""
        self.office.clock.ahead += moment - self.office.clock()

    async def mails(self) -> list[Mail]:
        """Delivers; the mails that the submission server has got since this desk was opened."""
        # By the real clock, which the quota's keeps to.
        while await self.mailing.deliver():
            pass
        kept = self.office.services.office365.messages[self.before :]
        return sorted((_mail(one.content) for one in kept), key=lambda mail: (mail.to, mail.text))


def _mail(content: bytes) -> Mail:
    mail = message_from_bytes(content, policy=policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    return Mail(str(mail["To"]), str(mail["Subject"]), " ".join(body.get_content().split()))


def item(title: str, *to: str, **changes: Any) -> Json:
    people = [{"email": email} for email in to or (ANA,)]
    return {"to": people, "data": {"title": title}, **changes}


async def publish(office: Office, body: str = BODY) -> None:
    sample = {
        "total": 1, "more": 0, "cadence": "daily", "since": "2026-11-01", "until": "2026-11-02",
        "groups": [{"title": "News", "total": 1, "entries": [{"title": "One"}]}],
        "absent": "what the digest's own data lacks", "cadence_url": "https://example.com",
    }  # fmt: skip
    bundle = make_bundle(text(body), subject="{{ total }} news", sample=sample)
    files = json.dumps({"files": dict(bundle.files)}).encode()
    answer = await office.app.templates.put("gathered", files, JSON)
    assert answer.status in {200, 201}, answer.body
    answer = await office.app.templates.publish("gathered", b"", JSON)
    assert answer.status == 200, answer.body


@pytest.fixture
async def desk(open_office: OpenOffice) -> Desk:
    office = open_office()
    await publish(office)
    desk = Desk(office, open_office(), len(office.services.office365.messages))
    answer = await desk.define()
    assert answer.status == 201, answer.body
    return desk
