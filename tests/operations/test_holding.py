"""/api/held: listed, released or refused by one who says why, once; else the message lapses."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from local.office365 import Fault
from shared.api.answers import Answer
from shared.guard.inspection import inspect
from shared.messages.holding import hold
from shared.messages.identity import (
    content_hash,
    message_id_header,
    new_message_id,
    queue_reference,
)
from shared.messages.parsing import parse_message
from shared.messages.record import MessageRecord, RecipientRecord
from tests.operations.conftest import Json, Office, OpenOffice, message, pointers, read

CARD = "4111 1111 1111 1111"
WHO = {"by": "ana@contoso.test", "why": "the customer asked for it"}


async def hold_message(office: Office, **changes: Any) -> str:
    """Records a message as acceptance does where the guard's verdict is to hold it."""
    app, now = office.app, office.clock()
    given = {"text": f"Your card {CARD}\n", **changes}
    parsed = parse_message(json.dumps(message(**given)).encode())
    verdict = inspect(parsed, policy=app.settings.guard_policy)
    assert verdict.action == "hold"
    message_id = new_message_id()
    record = MessageRecord(
        id=message_id, status="queued", accepted_at=now, source="http",
        content_hash=content_hash(parsed), sender=parsed.sender.email,
        recipients=tuple(RecipientRecord(r.email) for r in parsed.recipients),
        message_id=message_id_header(message_id, parsed.sender.email), category=parsed.category,
        priority=parsed.priority, send_at=parsed.send_at, due=now,
    )  # fmt: skip
    content = await app._contents.keep(message_id, verdict.message)
    await app._ledger.add(hold(record, verdict.findings, now), content)
    return message_id


async def listed(office: Office, **query: str) -> Json:
    answer = await office.app.held.get(query)
    assert answer.status == 200, answer.body
    return read(answer)


async def release(office: Office, message_id: str, **changes: str) -> Answer:
    return await office.app.held.release(message_id, json.dumps({**WHO, **changes}).encode(), {})


async def refuse(office: Office, message_id: str, **changes: str) -> Answer:
    return await office.app.held.refuse(message_id, json.dumps({**WHO, **changes}).encode(), {})


async def test_a_held_message_is_shown_and_goes_nowhere(office: Office) -> None:
    message_id = await hold_message(office)
    view = await office.view(message_id)
    assert view["status"] == "held"
    assert "release" in view["fix"]
    (finding,) = view["findings"]
    assert (finding["rule"], finding["where"], finding["masked"]) == (
        "payment-card", "/text", "Visa: ****1111",
    )  # fmt: skip
    assert [entry["type"] for entry in view["timeline"]] == ["accepted", "held"]
    office.clock.ahead = timedelta(days=2)
    await office.app.reconciliation.run()
    await office.app.delivery.deliver(message_id)
    await office.app.retention.run()
    assert await office.take() == []
    assert office.mails(message_id) == []
    assert (await office.view(message_id))["status"] == "held"
    assert await office.keys("due-") == []


async def test_nothing_of_what_was_found_stands_in_an_answer_or_an_index(office: Office) -> None:
    message_id = await hold_message(office, text=f"Card {CARD}, password: hunter2x!")
    shown = json.dumps([await office.view(message_id), await listed(office)])
    index = [row for row in await office.rows() if row["RowKey"].startswith("held-")]
    assert len(index) == 1
    for told in (shown, repr(index), repr(await office.app._ledger.get(message_id))):
        assert "hunter2x" not in told
        assert "4111 1111" not in told
        assert "****1111" in told


async def test_held_messages_are_listed_by_page_and_filter(office: Office) -> None:
    ids = []
    for number in range(7):
        office.clock.ahead = timedelta(minutes=number)
        secret = {"text": "password: hunter2x!"} if number % 2 else {}
        ids.append(await hold_message(office, **secret))
    pages, cursor = [], ""
    while True:
        page = await listed(office, limit="3", **({"cursor": cursor} if cursor else {}))
        pages.append([entry["id"] for entry in page["messages"]])
        cursor = page["cursor"]
        if not cursor:
            break
    assert pages == [ids[:3], ids[3:6], ids[6:]]
    passwords = await listed(office, rule="password")
    assert [entry["id"] for entry in passwords["messages"]] == ids[1::2]
    assert passwords["messages"][0]["rules"] == ["password"]
    assert passwords["messages"][0]["recipients"] == 1
    assert (await listed(office, **{"from": "nobody@contoso.test"}))["messages"] == []
    assert len((await listed(office, **{"from": "Billing@contoso.test"}))["messages"]) == 7
    assert (await listed(office, category="bulk"))["messages"] == []
    moment = passwords["messages"][1]["held_at"]
    assert len((await listed(office, since=moment))["messages"]) == 4
    assert len((await listed(office, until=moment))["messages"]) == 3


async def test_a_query_that_makes_no_sense_names_the_fault(office: Office) -> None:
    for query, pointer in (
        ({"limit": "0"}, "/limit"), ({"limit": "x"}, "/limit"), ({"cursor": "%%%"}, "/cursor"),
        ({"since": "yesterday"}, "/since"), ({"colour": "red"}, "/colour"),
        ({"cursor": "ZHVlLTE"}, "/cursor"),
    ):  # fmt: skip
        answer = await office.app.held.get(query)
        assert (answer.status, pointers(answer)) == (422, {pointer})


async def test_a_released_message_is_sent_as_it_was(office: Office) -> None:
    message_id = await hold_message(office)
    answer = await release(office, message_id)
    assert answer.status == 200
    view = read(answer)
    assert view["status"] == "queued"
    entry = view["timeline"][-1]
    assert entry["type"] == "released"
    assert entry["detail"] == "by ana@contoso.test as it was: the customer asked for it"
    assert await office.deliver() == 1
    (mail,) = office.mails(message_id)
    assert CARD.encode() in mail.content
    assert (await listed(office))["messages"] == []
    assert (await office.view(message_id))["status"] == "sent"


async def test_a_released_message_can_be_sent_with_its_findings_masked(office: Office) -> None:
    plain = ({"name": "note.txt", "content_type": "text/plain", "content": "SGVsbG8="},)
    message_id = await hold_message(
        office, html=f"<p>Card <b>4111</b> 1111 1111&nbsp;1111 or {CARD}</p>", attachments=plain
    )
    before = set(await office.blobs(message_id))
    answer = await release(office, message_id, **{"as": "redacted"})
    assert answer.status == 200, answer.body
    assert "masked" in read(answer)["timeline"][-1]["detail"]
    after = await office.blobs(message_id)
    assert len(after) == len(before) == 1
    assert before.isdisjoint(after)
    assert b"1111 1111" not in next(iter(after.values()))
    await office.deliver()
    (mail,) = office.mails(message_id)
    assert b"**** **** **** 1111" in mail.content
    assert b"<b>****</b> **** ****&nbsp;1111" in mail.content
    assert b"4111" not in mail.content


async def test_what_stands_in_a_file_cannot_be_masked(office: Office) -> None:
    card = {"name": "a.csv", "content_type": "text/csv", "content": "Y2FyZAo0MTExMTExMTExMTExMTEx"}
    message_id = await hold_message(office, text="See it.", attachments=[card])
    answer = await release(office, message_id, **{"as": "redacted"})
    assert answer.status == 409
    assert "cannot be masked" in read(answer)["detail"]
    assert (await office.view(message_id))["status"] == "held"
    assert (await release(office, message_id)).status == 200


async def test_a_release_waits_for_the_time_to_send(office: Office) -> None:
    send_at = office.clock() + timedelta(days=30)
    message_id = await hold_message(office, send_at=send_at.isoformat())
    view = read(await release(office, message_id))
    assert view["status"] == "scheduled"
    assert view["next_attempt_at"] == view["send_at"]
    office.clock.ahead = timedelta(days=30, minutes=5)
    await office.app.reconciliation.run()
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"


async def test_the_deadline_counts_from_the_release(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_DEADLINE="60")
    message_id = await hold_message(office)
    office.clock.ahead = timedelta(days=3)
    await release(office, message_id)
    office.services.office365.faults.add([Fault("mail", "reply")])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "queued"


async def test_a_refused_message_ends_and_cannot_be_replayed(office: Office) -> None:
    message_id = await hold_message(office)
    view = read(await refuse(office, message_id, why="no cards in mail"))
    assert view["status"] == "failed"
    assert view["detail"] == "It was held, and ana@contoso.test refused it: no cards in mail"
    assert view["timeline"][-1]["type"] == "refused"
    replayed = await office.replay(dry_run=False)
    assert [item["outcome"] for item in replayed["messages"]] == ["skipped"]
    assert await office.take() == []
    assert (await office.view(message_id))["status"] == "failed"


async def test_a_decision_repeated_is_the_same_and_another_is_refused(office: Office) -> None:
    first, second = await hold_message(office), await hold_message(office)
    for _ in range(2):
        assert (await release(office, first)).status == 200
    assert len(await office.take()) == 1
    assert (await release(office, first, **{"as": "redacted"})).status == 409
    answer = await refuse(office, first)
    assert answer.status == 409
    assert "released by ana@contoso.test" in read(answer)["detail"]
    bodies = {(await refuse(office, second)).body for _ in range(2)}
    assert len(bodies) == 1
    assert (await release(office, second)).status == 409


async def test_of_two_decisions_that_meet_one_wins(office: Office) -> None:
    for _ in range(4):
        message_id = await hold_message(office)
        answers = await asyncio.gather(release(office, message_id), refuse(office, message_id))
        assert sorted(answer.status for answer in answers) == [200, 409]
        status = (await office.view(message_id))["status"]
        assert status == ("queued" if answers[0].status == 200 else "failed")


async def test_a_masked_copy_that_came_too_late_is_not_left_behind(office: Office) -> None:
    note = ({"name": "note.txt", "content_type": "text/plain", "content": "SGVsbG8="},)
    for _ in range(3):
        message_id = await hold_message(office, attachments=note)
        masked, refused = await asyncio.gather(
            release(office, message_id, **{"as": "redacted"}), refuse(office, message_id)
        )
        assert sorted([masked.status, refused.status]) == [200, 409]
        (content,) = (await office.blobs(message_id)).values()
        assert (b"4111" in content) == (refused.status == 200)


async def test_who_and_why_are_needed(office: Office) -> None:
    message_id = await hold_message(office)
    for decide in (office.app.held.release, office.app.held.refuse):
        assert pointers(await decide(message_id, b"{}", {})) == {"/by", "/why"}
        blank = json.dumps({"by": " ", "why": "a\nb"}).encode()
        assert pointers(await decide(message_id, blank, {})) == {"/by", "/why"}
        assert (await decide("0" * 32, json.dumps(WHO).encode(), {})).status == 404
    assert pointers(await release(office, message_id, **{"as": "sent"})) == {"/as"}
    never = await release(office, await office.post())
    assert never.status == 409
    assert "never held" in read(never)["detail"]


async def test_a_held_message_can_be_cancelled(office: Office) -> None:
    message_id = await hold_message(office)
    answer = await office.app.operations.cancel(message_id)
    assert read(answer)["status"] == "cancelled"
    assert await office.keys("held-") == []
    assert (await release(office, message_id)).status == 409


async def test_what_nobody_decides_lapses(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_HELD_DAYS="3")
    message_id = await hold_message(office)
    lapses_at = (await listed(office))["messages"][0]["lapses_at"]
    office.clock.ahead = timedelta(days=2, hours=23)
    assert (await office.app.retention.run())["lapsed"] == 0
    office.clock.ahead = timedelta(days=3, minutes=1)
    assert (await office.app.retention.run())["lapsed"] == 1
    view = await office.view(message_id)
    assert view["status"] == "failed"
    assert "3 days (MAILROOM_HELD_DAYS)" in view["detail"]
    assert view["finished_at"] > lapses_at
    assert view["timeline"][-1]["type"] == "lapsed"
    assert (await release(office, message_id)).status == 409
    replayed = await office.replay(dry_run=False)
    assert [item["outcome"] for item in replayed["messages"]] == ["skipped"]


async def test_poison_leaves_a_held_message_held(office: Office) -> None:
    message_id = await hold_message(office)
    await office.poison(queue_reference(message_id))
    assert (await office.view(message_id))["status"] == "held"
