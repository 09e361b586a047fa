"""Events on their queues, handled by the app in its host: what they leave behind, from outside."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from local.stack import LocalStack
from shared.feedback.kept import KeptMail, KeptMails, kept_id
from shared.inbox.mail import FetchedMail
from shared.settings import load_settings
from shared.storage.connection import StorageConnection
from tests.end_to_end.caller import Caller, mail_of, message

CONTENT = b"From: mailer-daemon@remote.test\r\nSubject: ?\r\n\r\n\xff\xfe no words\r\n"


def event(kind: str, message_id: str, recipient: str, **data: Any) -> str:
    return json.dumps(
        {
            "specversion": "1.0",
            "type": f"mailroom.message.{kind}",
            "source": "/test",
            "id": f"{kind}-{message_id}",
            "subject": message_id,
            "time": datetime.now(UTC).isoformat(),
            "data": {"recipient": recipient, "source": "dsn", "match": "signed", **data},
        }
    )


async def test_each_queue_has_its_handler(caller: Caller, stack: LocalStack) -> None:
    cases: dict[str, dict[str, Any]] = {
        "bounced": {"hard": True, "permanent": True, "cause": "user-unknown", "reason": "bounced"},
        "complained": {"feedback_type": "abuse"},
        "unsubscribed": {"topic": "news"},
        "delivered": {},
    }
    queues = {
        "bounced": "bounce", "complained": "complaint", "unsubscribed": "unsubscribe",
        "delivered": "delivery",
    }  # fmt: skip
    for kind, data in cases.items():
        recipient = f"{kind}@example.com"
        message_id = await caller.send(message(to=[{"email": recipient}]))
        await caller.finished(message_id)
        await caller.drop(event(kind, message_id, recipient, **data), f"{queues[kind]}-events")
        view = await caller.until(
            message_id,
            lambda v, k=kind: k in {e["type"] for e in v["timeline"]},  # type: ignore[misc]
        )
        assert view["status"] == "sent"
        status = kind if kind in {"bounced", "complained"} else "sent"
        assert [r["status"] for r in view["recipients"]] == [status]
        again = await caller.post(message(to=[{"email": recipient}], category="transactional"))
        assert again.json["status"] == ("suppressed" if status == kind else "queued")
    news = message(to=[{"email": "unsubscribed@example.com"}], category="bulk", topic="news")
    assert (await caller.post(news)).json["status"] == "suppressed"


async def test_marks_are_signed_with_the_key_in_key_vault(
    caller: Caller, stack: LocalStack
) -> None:
    message_id = await caller.send(message(category="bulk", topic="offers"))
    await caller.finished(message_id)
    head = mail_of(stack, message_id).head.decode()
    [line] = [line for line in head.split("\r\n") if line.startswith("X-Mailroom-Id: ")]
    assert len(line.rpartition(".")[2]) == 43
    assert re.search(r"unsubscribe%201[A-Za-z0-9_-]{60,}>", head.replace("\r\n ", ""))


async def test_kept_mail_is_listed_and_had_as_it_was(caller: Caller, stack: LocalStack) -> None:
    mail = FetchedMail(
        mailbox="billing@contoso.test", folder="INBOX", key="1", received_at=datetime.now(UTC),
        content=CONTENT,
    )  # fmt: skip
    kept = KeptMail(
        id=kept_id(mail), mailbox=mail.mailbox, folder=mail.folder, received_at=mail.received_at,
        kind="other", understood=False, match="none", why="It has no words.", subject="?",
        size=len(CONTENT),
    )  # fmt: skip
    connection = stack.azurite.connection_string
    settings = load_settings(
        {
            "MAILROOM_SENDERS": '["billing@contoso.test"]',
            "MAILROOM_TENANT_ID": "t",
            "MAILROOM_CLIENT_ID": "c",
            "AzureWebJobsStorage": connection,
        }
    )
    storage = StorageConnection(settings, None)  # type: ignore[arg-type]
    await KeptMails(storage).keep(kept, CONTENT)
    await storage.aclose()
    page = await caller.request("GET", "returned-mail?kind=other&matched=false")
    [found] = page.json["returned_mail"]
    assert found["id"] == kept.id
    async with caller._http.get(found["url"], headers=stack.headers) as response:
        assert response.status == 200
        assert response.content_type == "message/rfc822"
        assert await response.read() == CONTENT
    for path in ("returned-mail", f"returned-mail/{kept.id}"):
        reply = await caller.request("GET", path, headers={"x-functions-key": ""})
        assert reply.status == 401
    assert (await caller.request("GET", "returned-mail?limit=0")).status == 422
