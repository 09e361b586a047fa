"""Messages that other services put on the queue themselves, whole or as a claim check."""

import json
import secrets
from typing import Any

import pytest

from shared.errors import ConflictError, InvalidMessageError
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from tests.messages.drafts import as_body, draft, read

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


@pytest.fixture
def queue_id() -> str:
    return secrets.token_hex(16)


async def put_blob(storage: StorageConnection, name: str, body: bytes) -> bytes:
    """Leaves a body in `mail-content`, as a caller does; returns the queue message for it."""
    container = Container(storage, "mail-content")
    await container.write(name, body, content_type="application/json")
    return as_body({"content_blob": name})


async def refused(acceptance: Acceptance, body: bytes, queue_id: str) -> InvalidMessageError:
    with pytest.raises(InvalidMessageError) as raised:
        await acceptance.accept_queued(body, queue_id=queue_id)
    assert all(p.detail and p.fix for p in raised.value.problems)
    return raised.value


@pytest.mark.parametrize("own_id", ["order:2026-1042", "a+b@c:d=e", None])
async def test_a_queue_message_is_recorded_under_its_id_and_only_once(
    acceptance: Acceptance, ledger: Ledger, queue_id: str, own_id: str | None,
    enqueued: list[MessageRecord],
) -> None:  # fmt: skip
    body = as_body(draft(id=own_id and f"{own_id}.{queue_id}"))
    record = await acceptance.accept_queued(body, queue_id=queue_id)
    assert (record.status, record.source) == ("queued", "queue")
    if own_id:
        assert record.id == f"{own_id}.{queue_id}"
    assert await ledger.get(record.id) == record
    again = await acceptance.accept_queued(body, queue_id=queue_id)
    assert again == record
    assert again.etag == record.etag
    assert enqueued == []  # the caller delivers, or enqueues for later


async def test_an_id_with_another_message_is_a_conflict(
    acceptance: Acceptance, queue_id: str
) -> None:
    own_id = f"order-{queue_id}"
    await acceptance.accept_queued(as_body(draft(id=own_id)), queue_id=queue_id)
    with pytest.raises(ConflictError) as raised:
        await acceptance.accept_queued(
            as_body(draft(id=own_id, subject="Other")), queue_id=f"{queue_id}2"
        )
    assert own_id in raised.value.detail


async def test_messages_without_id_are_told_apart_by_their_queue_messages(
    acceptance: Acceptance, queue_id: str
) -> None:
    body = as_body(draft())
    ids = {(await acceptance.accept_queued(body, queue_id=f"{queue_id}{n}")).id for n in (1, 2, 2)}
    assert len(ids) == 2


async def test_a_claim_check_is_fetched(
    acceptance: Acceptance, contents: Contents, ledger: Ledger, storage: StorageConnection,
    queue_id: str,
) -> None:  # fmt: skip
    whole = draft(text="x" * 100_000)
    claim = await put_blob(storage, f"claims/{queue_id}.json", as_body(whole))
    record = await acceptance.accept_queued(claim, queue_id=queue_id)
    found = await ledger.get_with_content(record.id)
    assert found is not None
    assert await contents.find(found[1]) == read(text="x" * 100_000)
    assert await acceptance.accept_queued(claim, queue_id=queue_id) == record


async def test_a_claim_check_may_bring_the_id(
    acceptance: Acceptance, storage: StorageConnection, queue_id: str
) -> None:
    await put_blob(storage, f"claims/{queue_id}", as_body(draft()))
    claim = as_body({"content_blob": f"claims/{queue_id}", "id": f"order:{queue_id}"})
    record = await acceptance.accept_queued(claim, queue_id=queue_id)
    assert record.id == f"order:{queue_id}"
    assert (await acceptance.accept_queued(claim, queue_id="another")).etag == record.etag


@pytest.mark.parametrize(
    "changes",
    [{"content_blob": ""}, {"content_blob": 5}, {"content_blob": None}, {"content_blob": ["a"]},
     {"content_blob": "../mail-templates/x"}, {"content_blob": "/x"}, {"content_blob": "x" * 1025},
     {"content_blob": "a\nb"}, {"content_blob": "\ud800"}, {"id": 5}, {"id": ""}, {"id": "a/b"},
     {"id": "x" * 101}, {"to": []}, {"from": {"email": "billing@contoso.test"}}],
)  # fmt: skip
async def test_a_claim_check_has_a_blob_s_name_and_at_most_an_id(
    acceptance: Acceptance, storage: StorageConnection, queue_id: str, changes: dict[str, Any]
) -> None:
    await put_blob(storage, "claims/there", as_body(draft()))
    error = await refused(
        acceptance, as_body({"content_blob": "claims/there", **changes}), queue_id
    )
    assert [p.field for p in error.problems] == ["/content_blob"]
    assert "mail-content" in error.problems[0].fix


async def test_a_missing_blob_is_refused_with_its_name(
    acceptance: Acceptance, queue_id: str
) -> None:
    error = await refused(acceptance, as_body({"content_blob": f"no/{queue_id}"}), queue_id)
    assert f"no/{queue_id}" in error.problems[0].detail


async def test_a_blob_that_is_too_large_is_not_read(
    acceptance: Acceptance, storage: StorageConnection, queue_id: str
) -> None:
    claim = await put_blob(storage, f"claims/{queue_id}", b" " * 470_000)
    error = await refused(acceptance, claim, queue_id)
    assert error.problems[0].field == "/content_blob"
    assert "470000 bytes" in error.problems[0].detail


async def test_what_is_wrong_in_a_blob_is_told_as_of_any_message(
    acceptance: Acceptance, storage: StorageConnection, queue_id: str
) -> None:
    claim = await put_blob(storage, f"claims/{queue_id}", as_body(draft(to=[{"email": "no"}])))
    assert (await refused(acceptance, claim, queue_id)).problems[0].field == "/to/0/email"
    claim = await put_blob(storage, f"claims/{queue_id}", b"nonsense")
    assert (await refused(acceptance, claim, queue_id)).status == 400


async def test_a_text_that_only_mentions_content_blob_is_a_message(
    acceptance: Acceptance, queue_id: str
) -> None:
    body = as_body(draft(text='See "content_blob"', tags={"content_blob": "x"}))
    assert (await acceptance.accept_queued(body, queue_id=queue_id)).status == "queued"


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"{}", b"[]", b"[" * 48_000 + b'"content_blob"', b'{"content_blob"',
     b'{"content_blob": NaN}', b'{"a":' * 9_000 + b'"content_blob"', as_body(draft(to=[])),
     as_body(draft(from_={"email": "ceo@contoso.test"}))]
)  # fmt: skip
async def test_what_is_no_acceptable_message_is_refused_not_an_error(
    acceptance: Acceptance, queue_id: str, body: bytes
) -> None:
    await refused(acceptance, body, queue_id)


async def test_a_refusal_is_recorded_once_as_failed(
    acceptance: Acceptance, ledger: Ledger, queue_id: str
) -> None:
    for _ in range(2):
        message_id = await acceptance.refuse_queued(
            b"nonsense", queue_id=queue_id, reason="It is no JSON.", fix="Send JSON."
        )
    record = await ledger.get(message_id)
    assert record is not None
    assert (record.status, record.detail, record.fix) == ("failed", "It is no JSON.", "Send JSON.")
    assert (record.source, record.due, record.recipients) == ("queue", None, ())
    assert record.finished_at == record.accepted_at
    other = await acceptance.refuse_queued(b"other", queue_id=queue_id, reason="No.", fix="")
    assert other != message_id


async def test_the_longest_reason_fits(
    acceptance: Acceptance, ledger: Ledger, queue_id: str
) -> None:
    error = await refused(
        acceptance,
        as_body({f"{'é' * 80}{n}": 1 for n in range(45)} | {"to": [{"\u0800" * 99: 1}] * 900}),
        queue_id,
    )
    message_id = await acceptance.refuse_queued(
        b"", queue_id=queue_id, reason=error.detail, fix=error.fix
    )
    record = await ledger.get(message_id)
    assert record is not None
    assert json.dumps(record.detail) == json.dumps(error.detail)
