"""Messages that come by HTTP: checked against the settings, recorded once, handed on."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import (
    AlreadyExistsError,
    ComposeError,
    ConflictError,
    InvalidMessageError,
    StorageUnavailableError,
)
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.identity import has_tag, keyed_message_id
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.model import Message
from shared.messages.record import MessageRecord
from shared.storage.connection import StorageConnection
from tests.messages.conftest import Horizon, MakeAcceptance
from tests.messages.drafts import as_body, draft, read
from tests.storage.account import StoppedClock

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


async def refused(acceptance: Acceptance, field: str, **changes: Any) -> str:
    """The fix of the one problem, at `field`, that such a message has."""
    with pytest.raises(InvalidMessageError) as raised:
        await acceptance.accept(as_body(draft(**changes)), key=None)
    assert [p.field for p in raised.value.problems] == [field]
    assert raised.value.status == 422
    assert raised.value.problems[0].fix
    return str(raised.value.problems[0])


async def test_an_accepted_message_is_recorded_then_enqueued(
    acceptance: Acceptance, ledger: Ledger, contents: Contents, clock: StoppedClock,
    enqueued: list[MessageRecord],
) -> None:  # fmt: skip
    to = [{"email": "Ana@example.com"}, {"email": "bo@example.com"}]
    changes: dict[str, Any] = {"to": to, "tags": {"customer": "77"}, "priority": "high"}
    accepted = await acceptance.accept(as_body(draft(**changes)), key=None)
    assert (accepted.status, accepted.repeated) == ("queued", False)
    found = await ledger.get_with_content(accepted.id)
    assert found is not None
    record, values = found
    assert record == enqueued[0]
    assert len(enqueued) == 1
    assert [(r.email, r.status) for r in record.recipients] == [
        ("Ana@example.com", "pending"), ("bo@example.com", "pending"),
    ]  # fmt: skip
    assert (record.status, record.source, record.sender) == (
        "queued", "http", "billing@contoso.test",
    )  # fmt: skip
    assert (record.priority, dict(record.tags)) == ("high", {"customer": "77"})
    assert record.accepted_at == clock.now
    assert record.due == clock.now + timedelta(seconds=120)
    assert record.not_before is None
    assert record.message_id.startswith(f"<{accepted.id}.")
    assert record.message_id.endswith("-mailroom@contoso.test>")
    assert has_tag(record.message_id)
    assert await contents.find(values) == read(**changes)


async def test_the_same_key_and_body_get_the_first_answer_again(
    acceptance: Acceptance, clock: StoppedClock, enqueued: list[MessageRecord], new_id: str
) -> None:
    body = as_body(draft())
    first = await acceptance.accept(body, key=new_id)
    clock.advance(hours=5)
    again = await acceptance.accept(body, key=new_id)
    assert (again.id, again.status, again.repeated) == (first.id, first.status, True)
    assert len(enqueued) == 1
    reordered = as_body(dict(reversed(draft().items())))
    assert (await acceptance.accept(reordered, key=new_id)).repeated


async def test_a_scheduled_message_s_first_answer_is_repeated_too(
    acceptance: Acceptance, clock: StoppedClock, new_id: str
) -> None:
    when = (clock.now + timedelta(hours=1)).isoformat()
    body = as_body(draft(send_at=when))
    assert (await acceptance.accept(body, key=new_id)).status == "scheduled"
    clock.advance(hours=2)
    assert (await acceptance.accept(body, key=new_id)).status == "scheduled"


async def test_the_same_key_for_another_message_is_a_conflict(
    acceptance: Acceptance, ledger: Ledger, enqueued: list[MessageRecord], new_id: str
) -> None:
    first = await acceptance.accept(as_body(draft()), key=new_id)
    with pytest.raises(ConflictError, match="another message") as raised:
        await acceptance.accept(as_body(draft(subject="Other")), key=new_id)
    assert "new key" in raised.value.fix
    assert len(enqueued) == 1
    record = await ledger.get(first.id)
    assert record is not None
    assert record.status == "queued"


async def test_keys_of_other_callers_and_no_keys_are_other_messages(
    acceptance: Acceptance, new_id: str
) -> None:
    body = as_body(draft())
    ids = {
        (await acceptance.accept(body, key=new_id)).id,
        (await acceptance.accept(body, key=new_id, caller="other")).id,
        (await acceptance.accept(body, key=None)).id,
        (await acceptance.accept(body, key=None)).id,
    }
    assert len(ids) == 4


@pytest.mark.parametrize("text", ["short", "x" * 60_000], ids=["row", "blob"])
async def test_requests_with_one_key_at_the_same_time_are_one_message(
    acceptance: Acceptance, ledger: Ledger, enqueued: list[MessageRecord], new_id: str, text: str
) -> None:
    body = as_body(draft(text=text))
    answers = await asyncio.gather(*(acceptance.accept(body, key=new_id) for _ in range(5)))
    assert {answer.id for answer in answers} == {keyed_message_id("", new_id)}
    assert sorted(answer.repeated for answer in answers) == [False, True, True, True, True]
    assert len(enqueued) == 1
    found = [await ledger.due(p, enqueued[0].due, limit=999) for p in PARTITIONS if enqueued[0].due]
    assert sum(e.message_id == enqueued[0].id for entries in found for e in entries) == 1


async def test_other_messages_with_one_key_at_the_same_time_conflict(
    acceptance: Acceptance, ledger: Ledger, contents: Contents, new_id: str
) -> None:
    bodies = [as_body(draft(text=letter * 60_000)) for letter in "abc"]
    answers = await asyncio.gather(
        *(acceptance.accept(body, key=new_id) for body in bodies), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == [
        "Accepted", "ConflictError", "ConflictError",
    ]  # fmt: skip
    winner = next(i for i, answer in enumerate(answers) if not isinstance(answer, Exception))
    found = await ledger.get_with_content(keyed_message_id("", new_id))
    assert found is not None
    assert await contents.find(found[1]) == read(text="abc"[winner] * 60_000)


async def test_an_unknown_sender_is_refused_with_the_known_ones(acceptance: Acceptance) -> None:
    told = await refused(acceptance, "/from/email", from_={"email": "ceo@contoso.test"})
    assert "billing@contoso.test" in told
    assert "MAILROOM_SENDERS" in told
    await acceptance.accept(as_body(draft(from_={"email": "Billing@CONTOSO.test"})), key=None)


async def test_a_whole_domain_may_be_allowed_to_send(make_acceptance: MakeAcceptance) -> None:
    acceptance = make_acceptance(MAILROOM_SENDERS='{"*@contoso.test": "billing@contoso.test"}')
    await acceptance.accept(as_body(draft(from_={"email": "any.one@contoso.test"})), key=None)
    await refused(acceptance, "/from/email", from_={"email": "any.one@sub.contoso.test"})


async def test_too_many_recipients_over_all_fields_are_refused(acceptance: Acceptance) -> None:
    fields = {
        field: [{"email": f"{field}{i}@example.com"} for i in range(7)]
        for field in ("to", "cc", "bcc")
    }
    told = await refused(acceptance, "/to", **fields)
    assert "21" in told
    assert "20" in told
    await acceptance.accept(as_body(draft(**fields | {"bcc": fields["bcc"][1:]})), key=None)


async def test_too_large_as_sent_is_refused(acceptance: Acceptance) -> None:
    def files(size: int) -> list[dict[str, str]]:
        return [{"name": "a.bin", "content": "QUJD" * (size // 4)}]

    told = await refused(acceptance, "", attachments=files(200_000))
    assert "200000 are allowed" in told
    await acceptance.accept(as_body(draft(attachments=files(180_000))), key=None)
    assert "bytes as sent" in await refused(acceptance, "", text="é" * 80_000)


async def test_more_than_a_year_ahead_is_refused(
    acceptance: Acceptance, clock: StoppedClock
) -> None:
    late = (clock.now + timedelta(days=367)).isoformat()
    await refused(acceptance, "/send_at", send_at=late)
    ahead = clock.now + timedelta(days=365)
    accepted = await acceptance.accept(as_body(draft(send_at=ahead.isoformat())), key=None)
    assert accepted.status == "scheduled"


@pytest.mark.parametrize("hours", [-5, 0, 5])
async def test_a_scheduled_message_is_due_at_its_instant(
    acceptance: Acceptance, ledger: Ledger, clock: StoppedClock, hours: int,
    enqueued: list[MessageRecord],
) -> None:  # fmt: skip
    when = clock.now + timedelta(days=1)
    offset = f"{hours:+03d}:00"
    local = (when + timedelta(hours=hours)).replace(tzinfo=None).isoformat() + offset
    accepted = await acceptance.accept(as_body(draft(send_at=local)), key=None)
    record = await ledger.get(accepted.id)
    assert record is not None
    assert (record.status, record.not_before, record.send_at) == ("scheduled", when, when)
    assert record.due == when + timedelta(seconds=120)
    assert enqueued == [record]


async def test_a_time_that_is_past_means_now(
    acceptance: Acceptance, ledger: Ledger, clock: StoppedClock
) -> None:
    past = (clock.now - timedelta(days=400)).isoformat()
    accepted = await acceptance.accept(as_body(draft(send_at=past)), key=None)
    assert accepted.status == "queued"
    record = await ledger.get(accepted.id)
    assert record is not None
    assert record.not_before is None
    assert record.due == clock.now + timedelta(seconds=120)


# Its place: when the mailboxes of its sender are likely to get to it


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
async def test_the_place_asked_for_is_that_of_the_senders_mailboxes_and_its_lane(
    make_acceptance: MakeAcceptance, horizon: Horizon, priority: str
) -> None:
    pool = ["billing@contoso.test", "alerts@contoso.test"]
    acceptance = make_acceptance(MAILROOM_SENDERS=json.dumps({"billing@contoso.test": pool}))
    await acceptance.accept(as_body(draft(priority=priority)), key=None)
    assert horizon.asked == [(tuple(pool), priority)]


# Lanes that a From identity may use


def lanes_of(*lanes: str) -> str:
    return json.dumps({"billing@contoso.test": {"mailboxes": ["b@contoso.test"], "lanes": lanes}})


@pytest.mark.parametrize("priority", ["high", "normal"])
async def test_a_priority_that_the_sender_may_not_use_is_refused_with_the_fix(
    make_acceptance: MakeAcceptance, priority: str
) -> None:
    acceptance = make_acceptance(MAILROOM_SENDERS=lanes_of("low"))
    detail = await refused(acceptance, "/priority", priority=priority)
    assert priority in detail
    assert "MAILROOM_SENDERS" in detail
    assert "Use low" in detail
    body = as_body(draft(priority=priority))
    with pytest.raises(InvalidMessageError):  # the queue's handler makes poison of it
        await acceptance.accept_queued(body, queue_id="q")


@pytest.mark.parametrize(
    ("lanes", "usual"),
    [(["low"], "low"), (["low", "high"], "high"), (["low", "high", "normal"], "normal")],
)
async def test_without_a_priority_the_senders_usual_lane_is_taken(
    make_acceptance: MakeAcceptance, ledger: Ledger, horizon: Horizon, lanes: list[str], usual: str
) -> None:
    acceptance = make_acceptance(MAILROOM_SENDERS=lanes_of(*lanes))
    accepted = await acceptance.accept(as_body(draft()), key=f"lanes-{usual}")
    record = await ledger.get(accepted.id)
    assert record is not None
    assert record.priority == usual
    assert horizon.asked == [(("b@contoso.test",), usual)]
    again = await acceptance.accept(as_body(draft()), key=f"lanes-{usual}")
    assert (again.id, again.repeated) == (accepted.id, True)


async def test_a_message_behind_a_backlog_is_put_off_until_its_place(
    acceptance: Acceptance, ledger: Ledger, clock: StoppedClock, horizon: Horizon,
    enqueued: list[MessageRecord],
) -> None:  # fmt: skip
    horizon.at = clock.now + timedelta(minutes=10)
    accepted = await acceptance.accept(as_body(draft()), key=None)
    assert accepted.status == "queued"  # it is not scheduled: it waits for its turn
    record = await ledger.get(accepted.id)
    assert record is not None
    assert (record.status, record.not_before) == ("queued", horizon.at)
    assert record.due == horizon.at + timedelta(seconds=120)
    assert enqueued == [record]


async def test_a_place_in_a_second_or_two_is_now(
    acceptance: Acceptance, ledger: Ledger, clock: StoppedClock, horizon: Horizon
) -> None:
    horizon.at = clock.now + timedelta(seconds=2)
    accepted = await acceptance.accept(as_body(draft()), key=None)
    record = await ledger.get(accepted.id)
    assert record is not None
    assert (record.not_before, record.due) == (None, clock.now + timedelta(seconds=120))


async def test_a_scheduled_message_has_its_time_and_takes_no_place_before(
    acceptance: Acceptance, ledger: Ledger, clock: StoppedClock, horizon: Horizon
) -> None:
    horizon.at = clock.now + timedelta(hours=9)
    when = clock.now + timedelta(hours=1)
    accepted = await acceptance.accept(as_body(draft(send_at=when.isoformat())), key=None)
    record = await ledger.get(accepted.id)
    assert record is not None
    assert (record.status, record.not_before) == ("scheduled", when)
    assert horizon.asked == []


async def test_an_id_is_for_queue_messages(acceptance: Acceptance) -> None:
    assert "Idempotency-Key" in await refused(acceptance, "/id", id="order-77")


async def test_all_that_the_settings_have_against_a_message_is_told_at_once(
    acceptance: Acceptance,
) -> None:
    everyone = [{"email": f"a{i}@example.com"} for i in range(21)]
    whole = draft(
        from_={"email": "x@contoso.test"}, to=everyone, send_at="2099-01-01T00:00Z", id="1"
    )
    with pytest.raises(InvalidMessageError) as raised:
        await acceptance.accept(as_body(whole), key=None)
    assert [p.field for p in raised.value.problems] == ["/from/email", "/to", "/send_at", "/id"]


async def test_what_cannot_be_composed_is_refused_not_an_error(
    acceptance: Acceptance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No valid message is known to be such; composing may still say so of one."""

    def refuse(message: Message) -> int:
        raise ComposeError("A word is too long for mail.", fix="Shorten it.")

    monkeypatch.setattr("shared.messages.acceptance.encoded_size", refuse)
    assert "Shorten it." in await refused(acceptance, "")


async def test_a_write_that_the_storage_client_repeated_is_no_repeated_request(
    acceptance: Acceptance, storage: StorageConnection, enqueued: list[MessageRecord]
) -> None:
    class LostAnswer(Ledger):
        async def add(self, record: MessageRecord, content: Mapping[str, Any]) -> MessageRecord:
            await super().add(record, content)
            raise AlreadyExistsError("The row exists.")

    acceptance._ledger = LostAnswer(storage)
    accepted = await acceptance.accept(as_body(draft()), key=None)
    assert (accepted.status, accepted.repeated) == ("queued", False)
    assert [record.id for record in enqueued] == [accepted.id]


async def test_storage_that_is_away_accepts_nothing(
    make_acceptance: MakeAcceptance, enqueued: list[MessageRecord]
) -> None:
    class Away(Contents):
        def __init__(self) -> None: ...

        async def keep(self, message_id: str, message: Message) -> Any:
            raise StorageUnavailableError("Storage does not answer.")

    acceptance = make_acceptance()
    acceptance._contents = Away()
    with pytest.raises(StorageUnavailableError):
        await acceptance.accept(as_body(draft()), key="once")
    assert enqueued == []
