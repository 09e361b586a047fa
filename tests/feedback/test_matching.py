"""Which message a report is about, how surely, and what a stranger cannot do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.faults import Fault
from local.office365 import Fault as Fault365
from local.stack import SIGNING_KEY_NAME
from shared.errors import StorageUnavailableError
from shared.returned.report import ReportedRecipient
from tests.feedback.conftest import DEAD, Returned, bounce
from tests.operations.conftest import BILLING, Office, OpenOffice


async def test_the_signed_id_in_the_returned_headers(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    assert signed.startswith(f"{message_id}.")
    assert await returned.come_back(bounce(mailroom_id=signed))
    assert await returned.until("ana@example.com") == [None]
    assert await returned.statuses(message_id) == {"ana@example.com": "bounced"}
    assert (await returned.office.view(message_id))["status"] == "sent"


async def test_the_message_id_alone(returned: Returned) -> None:
    message_id = await returned.sent()
    header = returned.header(message_id, "Message-ID")
    assert await returned.take(bounce(original_message_ids=("<of@another>", header)))
    [event] = await returned.handle()
    assert event["data"]["match"] == "message-id"
    assert await returned.until("ana@example.com") == [None]


async def test_the_envelope_id_alone(returned: Returned) -> None:
    message_id = await returned.sent()
    [mail] = returned.office.mails(message_id)
    assert await returned.come_back(bounce(envelope_id=mail.parameters["ENVID"]))
    assert await returned.until("ana@example.com") == [None]


@contextmanager
def exchange_replacing_ids(returned: Returned) -> Iterator[None]:
    exchange = returned.office.services.office365.exchange
    before = exchange.tenant
    exchange.tenant = replace(before, replaces_message_ids=True)
    try:
        yield
    finally:
        exchange.tenant = before


async def test_the_id_that_exchange_gave_in_place_of_ours(returned: Returned) -> None:
    with exchange_replacing_ids(returned):
        message_id = await returned.sent()
    view = await returned.office.view(message_id)
    assert view["server_id"] != view["message_id"]
    assert await returned.come_back(bounce(original_message_ids=(view["server_id"],)))
    assert await returned.until("ana@example.com") == [None]
    assert await returned.statuses(message_id) == {"ana@example.com": "bounced"}


async def test_ids_of_all_attempts_are_found_and_go_with_the_record(returned: Returned) -> None:
    """Each attempt can reach other recipients, and gets another id."""
    office = returned.office
    to = [{"email": "ana@example.com"}, {"email": "b@example.com"}]
    office.services.office365.faults.add([Fault365("rcpt", "reply", reply="452 4.2.2 x", skip=1)])
    with exchange_replacing_ids(returned):
        message_id = await returned.sent(to=to)
        first = (await office.view(message_id))["server_id"]
        office.clock.ahead += timedelta(minutes=5)
        await office.app.delivery.deliver(message_id)
    view = await office.view(message_id)
    assert view["status"] == "sent"
    assert view["server_id"] != first
    assert len(await office.keys("server-")) == 2
    for server_id in (first, view["server_id"]):
        assert await office.app._ledger.find_by_server_id(server_id) == message_id
    record = await office.app._ledger.get(message_id)
    assert record is not None
    await office.app._ledger.remove(record)
    assert await office.keys("server-") == []


async def test_ours_costs_no_row_of_its_own(returned: Returned) -> None:
    await returned.sent()
    assert await returned.office.keys("server-") == []


@pytest.mark.parametrize("place", ["header", "envelope", "message-id"])
async def test_an_id_that_a_caller_chose_suppresses_nobody(
    returned: Returned, open_office: OpenOffice, place: str
) -> None:
    """Somebody who guesses order-77 has not seen the mail."""
    office = returned.office
    record = await accept_queued(office, "order-77")
    guesses: dict[str, dict[str, Any]] = {
        "header": {"mailroom_id": f"order-77.{'A' * 43}"},
        "envelope": {"envelope_id": "order-77"},
        "message-id": {"original_message_ids": ("<order-77.mailroom@contoso.test>",)},
    }
    await returned.take(bounce(**guesses[place]))
    events = await returned.handle()
    assert await returned.until("ana@example.com") == []
    assert await returned.statuses("order-77") == {"ana@example.com": "sent"}
    if place == "header":  # somebody means that message: its timeline says so, with the doubt
        assert events[0]["data"]["match"] == "unsigned"
        [(kind, detail)] = await returned.told("order-77")
        assert kind == "bounced"
        assert "not sure" in detail
    else:
        assert events == []
    assert record.message_id != "<order-77.mailroom@contoso.test>"


async def accept_queued(office: Office, message_id: str) -> Any:
    """A message whose id its caller chose, sent."""
    import json

    from tests.operations.conftest import message

    body = json.dumps({**message(), "id": message_id}).encode()
    await office.app.outbound.handle(body, queue_id="q")
    record = await office.app._ledger.get(message_id)
    assert record is not None
    assert record.status == "sent"
    return record


async def test_the_setting_lets_guessable_ids_suppress(open_office: OpenOffice) -> None:
    returned = Returned(open_office(MAILROOM_TRUSTED_MATCH="unsigned"))
    await accept_queued(returned.office, "order-78")
    await returned.come_back(bounce(mailroom_id="order-78"))
    assert await returned.until("ana@example.com") == [None]


async def test_a_forged_bounce_for_somebody_else_suppresses_nobody(returned: Returned) -> None:
    """Who has got a message can prove that; but not bounce for an address that has not."""
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    victim = replace(DEAD, address="victim@example.com")
    other = await returned.sent(to=[{"email": "victim@example.com"}, {"email": "b@example.com"}])
    two = await returned.sent(to=[{"email": "c@example.com"}, {"email": "d@example.com"}])
    assert not await returned.come_back(
        bounce(victim, mailroom_id=returned.header(two, "X-Mailroom-Id"))
    )
    await returned.come_back(bounce(victim, mailroom_id=f"{other}{signed[32:]}x"))
    assert await returned.until("victim@example.com") == []
    # Of the only recipient another address is one behind it: no more than a lease follows.
    await returned.come_back(bounce(victim, mailroom_id=signed))
    assert await returned.until("victim@example.com") == []
    assert None not in await returned.until("ana@example.com")


@pytest.mark.parametrize("address", ["dead+tag@example.com", "DEAD+Tag@EXAMPLE.com."])
async def test_addresses_are_compared_in_one_form(returned: Returned, address: str) -> None:
    to = [{"email": "Dead+tag@example.com"}, {"email": "dead@example.com"}]
    message_id = await returned.sent(to=to)
    signed = returned.header(message_id, "X-Mailroom-Id")
    await returned.come_back(bounce(replace(DEAD, address=address), mailroom_id=signed))
    assert await returned.statuses(message_id) == {
        "Dead+tag@example.com": "bounced",
        "dead@example.com": "sent",
    }
    assert await returned.until("dead+tag@example.com") == [None]
    assert await returned.until("dead@example.com") == []


async def test_internationalised_domains_and_original_recipients(returned: Returned) -> None:
    to = [{"email": "ana@bücher.example"}, {"email": "b@example.com"}]
    message_id = await returned.sent(to=to)
    signed = returned.header(message_id, "X-Mailroom-Id")
    behind = replace(DEAD, address="x17@mailstore.test", original="ana@bücher.example")
    await returned.come_back(bounce(behind, mailroom_id=signed))
    assert await returned.until("ana@xn--bcher-kva.example") == [None]


async def test_a_report_without_a_recipient_is_about_the_only_one(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    report = replace(bounce(mailroom_id=signed), recipients=())
    assert await returned.come_back(report)
    assert await returned.statuses(message_id) == {"ana@example.com": "bounced"}


async def test_the_same_dead_member_twice_is_one_event(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    members = [ReportedRecipient(address=f"m{n}@list.test", hard=True) for n in range(3)]
    await returned.take(bounce(*members, DEAD, mailroom_id=signed))
    [event] = await returned.handle()
    assert event["data"]["forwarded"] is False  # the address itself is among them


async def test_what_fits_no_message_is_kept_and_suppresses_nobody(returned: Returned) -> None:
    assert not await returned.come_back(bounce(original_message_ids=("<stranger@evil.test>",)))
    assert await returned.until("ana@example.com") == []
    assert await returned.office.rows("suppressions") == []
    [row] = await returned.office.rows("returned")
    assert (row["match"], row["kind"], row["mailbox"]) == ("none", "bounce", BILLING)


async def test_a_guess_is_told_and_suppresses_nobody(returned: Returned) -> None:
    to = {"to": [{"email": "rare@example.com"}]}
    message_id, rare = await returned.sent(**to), replace(DEAD, address="rare@example.com")
    now = returned.office.clock()
    report = bounce(rare, arrival=now)
    assert not await returned.take(replace(report, arrival=now + timedelta(minutes=20)))
    assert not await returned.take(replace(report, arrival=None))
    assert not await returned.take(replace(report, recipients=(DEAD,)))
    assert await returned.take(report)
    [event] = await returned.handle()
    assert (event["subject"], event["data"]["match"]) == (message_id, "guess")
    assert await returned.until("rare@example.com") == []
    assert await returned.statuses(message_id) == {"rare@example.com": "sent"}
    await returned.sent(**to)
    assert not await returned.take(report)  # it may be either of them


async def test_in_a_busy_time_nothing_is_guessed(returned: Returned) -> None:
    ledger = returned.office.app._ledger
    now = returned.office.clock()
    message_id = await returned.sent()
    assert await ledger.finished_between(now, now + timedelta(minutes=1), most=1) == [message_id]
    assert await ledger.finished_between(now, now + timedelta(minutes=1), most=0) is None


async def test_while_key_vault_is_away_a_report_waits_for_its_proof(
    returned: Returned, open_office: OpenOffice
) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    late = Returned(open_office())
    report = bounce(mailroom_id=signed)
    vault = late.office.services.vault
    vault.faults.add(Fault(status=503, times=None))
    try:
        with pytest.raises(StorageUnavailableError):
            await late.take(report)
        by_header = replace(report, original_message_ids=(late.header(message_id, "Message-ID"),))
        assert await late.take(by_header)  # needs no key
    finally:
        vault.faults.clear()
    late.office.clock.ahead = late.office.clock.ahead.__class__(minutes=10)
    assert await late.take(report)


async def test_a_rotated_key_still_proves(returned: Returned, open_office: OpenOffice) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    returned.office.services.vault.store.set(SIGNING_KEY_NAME, "another key, " * 4)
    late = Returned(open_office())
    assert await late.come_back(bounce(mailroom_id=signed))
    assert await late.until("ana@example.com") == [None]
