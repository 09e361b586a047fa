"""POST /api/messages/batch: 500 recipients are one request, with what they share kept once."""

import base64
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from email.parser import BytesParser
from typing import Any

import pytest

from shared.errors import StorageUnavailableError
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from tests.operations.conftest import BILLING, Office, OpenOffice, pointers, read

FILE = os.urandom(200_000)
SHARED = {
    "from": {"email": BILLING},
    "subject": "News",
    "text": "Hello all\n",
    "attachments": [{"name": "news.bin", "content": base64.b64encode(FILE).decode()}],
}


def to(*names: str, **own: Any) -> list[dict[str, Any]]:
    return [{"to": [{"email": f"{name}@example.com"}], **own} for name in names]


async def test_each_message_has_the_shared_fields_and_its_own(office: Office) -> None:
    batch = {
        "shared": {**SHARED, "tags": {"run": "1"}},
        "messages": [
            *to("ana"),
            *to("ben", subject="For Ben", headers={"X-Case": "7"}, text="Only Ben\n"),
            *to("cleo", attachments=[], html="<p>Hi</p>"),
        ],
    }
    answer = await office.post_batch(batch)
    assert answer.status == 202, answer.body
    accepted = read(answer)["accepted"]
    assert [entry["index"] for entry in accepted] == [0, 1, 2]
    assert {entry["status"] for entry in accepted} == {"queued"}
    for entry in accepted:
        assert entry["status_url"] == f"http://localhost/api/messages/{entry['id']}"
    assert read(answer)["errors"] == []
    assert await office.deliver() == 3
    seen = []
    for entry in accepted:
        [kept] = office.mails(entry["id"])
        mail = BytesParser().parsebytes(kept.content)
        files = [p.get_payload(decode=True) for p in mail.walk() if p.get_filename()]
        texts = [p.get_payload(decode=True) for p in mail.walk() if not p.is_multipart()]
        seen.append((mail["To"], mail["Subject"], mail["X-Case"], files, texts[0]))
        assert (await office.view(entry["id"]))["tags"] == {"run": "1"}
    assert seen == [
        ("ana@example.com", "News", None, [FILE], b"Hello all\r\n"),
        ("ben@example.com", "For Ben", "7", [FILE], b"Only Ben\r\n"),
        ("cleo@example.com", "News", None, [], b"Hello all\r\n"),
    ]


async def test_what_is_shared_is_stored_once_and_read_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"reader{number}" for number in range(40)]
    await office.post_batch({"shared": SHARED, "messages": to(*names)})
    [(name, content)] = (await office.blobs()).items()
    assert name.startswith("batches/")
    assert len(content) < len(FILE) * 4 / 3 + 1000
    rows = [row for row in await office.rows() if row["RowKey"].startswith("message-")]
    assert {row["content_shared"] for row in rows} == {name}
    assert max(sum(len(v) for v in row.values() if isinstance(v, bytes)) for row in rows) < 600
    reads = []
    container = office.app._contents._container
    read_blob = container.read

    async def counted(name: str, *, limit: int) -> bytes:
        reads.append(name)
        return await read_blob(name, limit=limit)

    monkeypatch.setattr(container, "read", counted)
    while await office.deliver():
        pass
    assert reads == [name]


async def test_small_content_stays_in_the_rows(office: Office) -> None:
    shared = {key: value for key, value in SHARED.items() if key != "attachments"}
    answer = await office.post_batch({"shared": shared, "messages": to("ana", "ben")})
    assert answer.status == 202
    assert await office.blobs() == {}
    assert await office.deliver() == 2
    for entry in read(answer)["accepted"]:
        assert (await office.view(entry["id"]))["status"] == "sent"


async def test_a_strict_batch_is_refused_whole(office: Office) -> None:
    messages = [
        *to("ana"),
        {"to": [{"email": "nobody"}]},
        *to("cleo", subject="two\nlines"),
        *to("dan", **{"from": {"email": "stranger@contoso.test"}}),
        {},
    ]
    answer = await office.post_batch({"shared": SHARED, "messages": messages})
    assert answer.status == 422
    assert answer.content_type == "application/problem+json"
    assert {
        "/messages/1/to/0/email",
        "/messages/2/subject",
        "/messages/3/from/email",
    } <= pointers(answer)
    assert any(pointer.startswith("/messages/4") for pointer in pointers(answer))
    assert all(error["fix"] for error in read(answer)["errors"])
    assert await office.rows() == []
    assert await office.blobs() == {}
    assert await office.take() == []


async def test_a_permissive_batch_takes_what_is_valid(office: Office) -> None:
    messages = [*to("ana"), {"to": [{"email": "nobody"}]}, *to("cleo")]
    answer = await office.post_batch({"mode": "permissive", "shared": SHARED, "messages": messages})
    assert answer.status == 202
    assert [entry["index"] for entry in read(answer)["accepted"]] == [0, 2]
    [refused] = read(answer)["errors"]
    assert refused["index"] == 1
    assert [error["pointer"] for error in refused["errors"]] == ["/messages/1/to/0/email"]
    assert await office.deliver() == 2
    nothing = await office.post_batch(
        {"mode": "permissive", "shared": SHARED, "messages": messages[1:2]}
    )
    assert nothing.status == 422, "a batch of which nothing is accepted is refused"


async def test_faults_of_shared_fields_are_told_once_and_where_they_are(office: Office) -> None:
    shared = {**SHARED, "subject": "two\nlines"}
    answer = await office.post_batch({"shared": shared, "messages": to("ana", "ben", "cleo")})
    assert answer.status == 422
    assert [error["pointer"] for error in read(answer)["errors"]] == ["/shared/subject"]
    mended = await office.post_batch({"shared": shared, "messages": to("ana", subject="One line")})
    assert mended.status == 202
    broken = {**SHARED, "attachments": [{"name": "a/b", "content": "?"}]}
    answer = await office.post_batch({"shared": broken, "messages": to("ana")})
    assert pointers(answer) == {"/shared/attachments/0/name", "/shared/attachments/0/content"}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, ""),
        (b'{"messages": [{"to": []}], "messages": []}', 422, ""),
        (b'{"shared": {"template": {"data": {"n": 1e999}}}, "messages": [{}]}', 422, ""),
        (b"[]", 422, ""),
        (b"{}", 422, "/messages"),
        (b'{"messages": []}', 422, "/messages"),
        (b'{"messages": ' + json.dumps([{}] * 501).encode() + b"}", 422, "/messages"),
        (b'{"messages": [[]]}', 422, "/messages/0"),
        (b'{"messages": [{"id": "mine"}]}', 422, "/messages/0/id"),
        (b'{"messages": [{}], "mode": "lax"}', 422, "/mode"),
        (b'{"messages": [{}], "shared": 7}', 422, "/shared"),
        (b'{"messages": [{}], "message": {}}', 422, "/message"),
        (
            json.dumps({"messages": to("ana", cc=[{"email": "a@example.com"}] * 1001)}).encode(),
            422,
            "/messages/0/cc",
        ),
        (
            json.dumps({"messages": to("ana", cc=[{"email": "a@example.com"}] * 600) * 9}).encode(),
            422,
            "/messages",
        ),
        (b'{"messages": [' + json.dumps(dict.fromkeys(map(str, range(60)))).encode() + b"]}", 422,
         "/messages/0"),
    ],
)  # fmt: skip
async def test_what_is_no_batch_is_refused_with_its_place(
    office: Office, body: bytes, status: int, pointer: str
) -> None:
    answer = await office.post_batch(body)
    assert answer.status == status
    assert pointers(answer) == {pointer}
    assert all(error["fix"] for error in read(answer)["errors"])


async def test_messages_that_are_too_large_are_refused(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_SIZE_LIMIT=str(450_000))
    own = {"name": "own.bin", "content": base64.b64encode(FILE).decode()}
    answer = await office.post_batch(
        {
            "mode": "permissive",
            "shared": SHARED,
            "messages": [*to("ana"), *to("ben", attachments=[own, {**own, "name": "two.bin"}])],
        }
    )
    assert [entry["index"] for entry in read(answer)["accepted"]] == [0]
    [refused] = read(answer)["errors"]
    assert (refused["index"], refused["errors"][0]["pointer"]) == (1, "/messages/1")
    everyone = {**SHARED, "attachments": [own, {**own, "name": "two.bin"}]}
    answer = await office.post_batch({"shared": everyone, "messages": to("ana", "ben")})
    assert answer.status == 422
    assert (await office.post_batch(b" " * 900_001)).status == 413


async def test_a_repeat_gives_the_same_answer_and_no_second_mail(office: Office) -> None:
    later = (office.clock() + timedelta(days=3)).isoformat()
    batch = {
        "mode": "permissive",
        "shared": SHARED,
        "messages": [*to("ana"), {"to": 1}, *to("ben", send_at=later)],
    }
    first = await office.post_batch(batch, "june")
    await office.deliver()
    again = await office.post_batch(dict(reversed(batch.items())), "june")
    assert (again.status, again.body) == (202, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    statuses = {entry["index"]: entry["status"] for entry in read(first)["accepted"]}
    assert statuses == {0: "queued", 2: "scheduled"}
    await office.deliver()
    assert len(office.mails(read(first)["accepted"][0]["id"])) == 1
    other = await office.post_batch({**batch, "messages": to("ana")}, "june")
    assert other.status == 409
    assert "another batch" in read(other)["detail"]


class _Crash:
    """Lets so many records be stored, and then storage is away."""

    def __init__(self, ledger: Ledger, stored: int) -> None:
        self._add = ledger.add
        self._left = stored

    async def __call__(self, record: MessageRecord, content: Any) -> MessageRecord:
        if self._left == 0:
            raise StorageUnavailableError("Storage does not answer.")
        self._left -= 1
        return await self._add(record, content)


@pytest.fixture
async def crashing(office: Office, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    ledger = office.app._ledger
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "add", _Crash(ledger, 7))
        yield office


@pytest.mark.parametrize("key", ["the-key", None])
async def test_a_batch_that_was_cut_short_is_completed_by_repeating_it(
    crashing: Office, open_office: OpenOffice, key: str | None
) -> None:
    batch = {"shared": SHARED, "messages": to(*(f"reader{number}" for number in range(30)))}
    failed = await crashing.post_batch(batch, key)
    assert failed.status == 503
    assert failed.headers["Retry-After"]
    named = read(failed)["fix"].partition("Idempotency-Key: ")[2].partition('"')[0]
    assert key is None or named == key
    assert len(await crashing.keys("message-")) == 7
    office = open_office()
    answer = await office.post_batch(batch, named)
    assert answer.status == 202
    assert len(read(answer)["accepted"]) == 30
    while await office.deliver():
        pass
    # Those that were recorded but not enqueued before the failure are due, and come back so.
    office.clock.ahead = timedelta(minutes=3)
    await office.app.reconciliation.run()
    while await office.deliver():
        pass
    for entry in read(answer)["accepted"]:
        assert len(office.mails(entry["id"])) == 1


async def test_five_hundred_recipients_are_one_request(office: Office) -> None:
    """Two storage transactions a message: its record, and its queue message."""
    tables = {"writes": 0}
    write = office.app._ledger._table.write

    async def counted(*writes: Any) -> str:
        tables["writes"] += 1
        return await write(*writes)

    office.app._ledger._table.write = counted  # type: ignore[method-assign]
    names = [f"reader{number}" for number in range(500)]
    answer = await office.post_batch({"shared": SHARED, "messages": to(*names)}, "all")
    assert answer.status == 202
    ids = [entry["id"] for entry in read(answer)["accepted"]]
    assert len(set(ids)) == 500
    assert tables["writes"] == 500
    assert len(await office.keys("message-")) == 500
    assert list(await office.blobs()) == [next(iter(await office.blobs("batches/")))]
