"""POST /api/messages/{id}/resolve: of what nobody knows, somebody says how it was."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local.office365 import Fault
from tests.operations.conftest import BILLING, Json, Office, OpenOffice, pointers, read

THREE = [{"email": f"{name}@example.com"} for name in ("ana", "unknown", "cleo")]


async def unknown_message(office: Office, *, taken: bool = True, **changes: Any) -> str:
    """A message whose connection broke after the end of data: `taken` by the server or not."""
    action = "accept-and-drop" if taken else "drop"
    message_id = await office.post(**changes)
    office.services.office365.faults.add([Fault("end-of-data", action)])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "unknown"
    return message_id


def statuses(view: Json) -> dict[str, str]:
    return {entry["email"].partition("@")[0]: entry["status"] for entry in view["recipients"]}


@pytest.mark.parametrize(("verdict", "others"), [("sent", "sent"), ("failed", "rejected")])
async def test_it_is_known_how_it_was(office: Office, verdict: str, others: str) -> None:
    message_id = await unknown_message(office, to=THREE)
    answer = await office.resolve(message_id, **{"as": verdict, "note": "seen in Sent Items"})
    assert answer.status == 200
    view = read(answer)
    assert view["status"] == verdict
    assert statuses(view) == {"ana": others, "unknown": "rejected", "cleo": others}
    last = view["timeline"][-1]
    assert last["type"] == "resolved"
    assert last["detail"] == f"Resolved as {verdict}: seen in Sent Items"
    assert await office.deliver() == 0
    again = await office.resolve(message_id, **{"as": "resend"})
    assert again.status == 409
    assert f"is {verdict}" in read(again)["detail"]


async def test_it_is_sent_again_to_whom_it_is_open_with_the_same_message_id(office: Office) -> None:
    message_id = await unknown_message(office, taken=False, to=THREE)
    answer = await office.resolve(message_id, **{"as": "resend"})
    assert (answer.status, read(answer)["status"]) == (200, "queued")
    await office.deliver()
    view = await office.view(message_id)
    assert view["status"] == "sent"
    assert statuses(view) == {"ana": "sent", "unknown": "rejected", "cleo": "sent"}
    [kept] = office.mails(message_id)
    assert {r.address for r in kept.recipients} == {"ana@example.com", "cleo@example.com"}
    assert view["message_id"].encode() in kept.head
    assert view["attempts"] == 2


async def test_a_resent_message_has_a_new_deadline(open_office: OpenOffice) -> None:
    """Days later the first deferral must not be its end."""
    office = open_office(MAILROOM_DEADLINE="60")
    message_id = await unknown_message(office, taken=False)
    office.clock.ahead = timedelta(minutes=5)
    await office.resolve(message_id, **{"as": "resend"})
    office.services.office365.faults.add([Fault("mail", "reply")])
    await office.deliver()
    view = await office.view(message_id)
    assert view["status"] == "queued"
    assert "451 4.7.0" in view["detail"]


async def test_only_what_is_unknown_can_be_resolved(office: Office) -> None:
    message_id = await office.post()
    answer = await office.resolve(message_id, **{"as": "sent"})
    assert answer.status == 409
    assert "is queued" in read(answer)["detail"]
    assert (await office.resolve("0" * 32, **{"as": "sent"})).status == 404
    assert (await office.resolve("no/id", **{"as": "sent"})).status == 404


async def test_requests_that_make_no_sense_name_the_fault(office: Office) -> None:
    assert pointers(await office.resolve("x", verdict="sent")) == {"/as", "/verdict"}
    assert pointers(await office.resolve("x", **{"as": "lost"})) == {"/as"}
    assert pointers(await office.resolve("x", **{"as": "sent", "note": "a\nb"})) == {"/note"}
    assert (await office.app.operations.resolve("x", b"{", {})).status == 400
    assert (await office.app.operations.resolve("x", b" " * 70_000, {})).status == 413
    kind = {"content-type": "text/plain"}
    body = json.dumps({"as": "sent"}).encode()
    assert (await office.app.operations.resolve("x", body, kind)).status == 415


async def test_without_content_it_cannot_be_sent_again(office: Office) -> None:
    message_id = await unknown_message(office)
    office.clock.ahead = timedelta(days=31)
    await office.app.retention.run()
    answer = await office.resolve(message_id, **{"as": "resend"})
    assert answer.status == 409
    assert "MAILROOM_CONTENT_DAYS" in read(answer)["detail"]
    assert (await office.resolve(message_id, **{"as": "sent"})).status == 200


async def test_the_setting_resends_what_is_unknown(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_UNKNOWN="resend", MAILROOM_SENT_ITEMS="0")
    message_id = await office.post()
    office.services.office365.faults.add([Fault("end-of-data", "drop")])
    await office.deliver()
    view = await office.view(message_id)
    assert view["status"] == "queued"
    assert view["next_attempt_at"]
    office.clock.ahead = timedelta(minutes=1)
    await office.app.delivery.deliver(message_id)
    assert (await office.view(message_id))["status"] == "sent"
    assert len(office.mails(message_id)) == 1


async def test_its_copy_in_sent_items_settles_it(open_office: OpenOffice) -> None:
    """Before anything is sent again, and whatever the setting says."""
    office = open_office(MAILROOM_UNKNOWN="resend")
    message_id = await unknown_message(office)
    office.clock.ahead = timedelta(seconds=65)
    assert await office.app.reconciliation.run() == 1
    view = await office.view(message_id)
    assert view["status"] == "sent"
    assert view["timeline"][-1]["detail"].endswith(f"a copy is in the Sent Items of {BILLING}.")
    assert len(office.mails(message_id)) == 1


async def test_what_has_no_copy_is_sent_again_if_the_setting_says_so(
    open_office: OpenOffice,
) -> None:
    office = open_office(MAILROOM_UNKNOWN="resend", MAILROOM_SENT_ITEMS="60")
    message_id = await unknown_message(office, taken=False)
    office.clock.ahead = timedelta(seconds=65)
    assert await office.app.reconciliation.run() == 1
    assert (await office.view(message_id))["status"] == "queued"
    await office.deliver()
    assert (await office.view(message_id))["status"] == "sent"
    assert len(office.mails(message_id)) == 1


async def test_what_is_unknown_at_its_deadline_is_held_all_the_same(
    open_office: OpenOffice,
) -> None:
    """Nobody knows that it failed either."""
    office = open_office(MAILROOM_UNKNOWN="resend", MAILROOM_DEADLINE="60")
    message_id = await office.post()
    office.clock.ahead = timedelta(minutes=5)
    office.services.office365.faults.add([Fault("end-of-data", "drop")])
    await office.deliver()
    assert (await office.view(message_id))["status"] == "unknown"
