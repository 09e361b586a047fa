"""What each kind of report brings about, once, whatever comes twice."""

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import pytest

from shared.feedback.reputation import Occurrence
from shared.returned.report import Reason, Report, ReportedRecipient
from shared.unsubscribing import Subscriber, Tokens
from tests.feedback.conftest import DEAD, FULL, Returned, bounce
from tests.operations.conftest import BILLING, OpenOffice


async def test_a_bounce_that_is_handed_over_again_changes_nothing(returned: Returned) -> None:
    message_id = await returned.sent()
    report = bounce(FULL, mailroom_id=returned.header(message_id, "X-Mailroom-Id"))
    for _ in range(3):
        assert await returned.come_back(report)
    [until] = await returned.until("ana@example.com")
    [row] = await returned.office.rows("suppressions")
    assert json.loads(row["soft"])["level"] == 1
    assert until is not None
    assert [kind for kind, _ in await returned.told(message_id)] == ["bounced"]
    assert len(await returned.office.rows("reputation")) == 1
    # Not even if an operator has lifted it meanwhile.
    await returned.office.app._suppressions.remove("ana@example.com")
    await returned.come_back(report)
    assert await returned.until("ana@example.com") == []


async def test_the_next_send_is_refused_with_the_reason(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    await returned.come_back(bounce(mailroom_id=signed))
    returned.office.clock.ahead += timedelta(seconds=3)
    again = await returned.sent()
    view = await returned.office.view(again)
    assert view["status"] == "suppressed"
    assert "550 5.1.1 No such user" in view["detail"]
    assert returned.office.mails(again) == []


async def test_soft_bounces_climb_and_an_arrival_lifts(returned: Returned) -> None:
    clock, hours = returned.office.clock, []
    for number in range(3):
        message_id = await returned.sent()
        signed = returned.header(message_id, "X-Mailroom-Id")
        report = bounce(FULL, mailroom_id=signed, message_id=f"<{number}@remote.test>")
        now = clock()
        await returned.come_back(report, at=now)
        [until] = await returned.until("ana@example.com")
        hours.append((until - now) / timedelta(hours=1))
        clock.ahead += timedelta(hours=hours[-1], seconds=5)
    assert hours == [24, 48, 96]
    arrived = replace(FULL, action="relayed", status="2.0.0", diagnostic="", reply_code=None)
    report = bounce(arrived, kind="delivered", mailroom_id=signed, message_id="<ok@remote.test>")
    assert await returned.come_back(report)
    assert await returned.until("ana@example.com") == []
    assert "delivered" in [kind for kind, _ in await returned.told(message_id)]


@pytest.mark.parametrize("reason", ["spam", "policy", "too-large", "blocked", "list"])
async def test_what_is_not_the_addresss_fault_is_only_counted(
    returned: Returned, reason: Reason
) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    refused = replace(FULL, reason=reason)
    await returned.come_back(bounce(refused, mailroom_id=signed))
    assert await returned.until("ana@example.com") == []
    assert await returned.statuses(message_id) == {"ana@example.com": "bounced"}
    counts = await returned.office.app.feedback.reputation.read(returned.office.clock().date())
    assert counts == {Occurrence(BILLING, "example.com", "bounced", reason): 1}


async def test_rules_and_leases_are_settings(open_office: OpenOffice) -> None:
    rules = {"spam": "suppress", "mailbox-full": "count"}
    returned = Returned(
        open_office(MAILROOM_BOUNCE_RULES=json.dumps(rules), MAILROOM_BOUNCE_LEASES="[1]")
    )
    for reason, found in (("spam", [None]), ("mailbox-full", [])):
        address = f"{reason}@example.com"
        message_id = await returned.sent(to=[{"email": address}])
        signed = returned.header(message_id, "X-Mailroom-Id")
        refused = ReportedRecipient(address=address, reason=reason, permanent=True)  # type: ignore[arg-type]
        await returned.come_back(bounce(refused, mailroom_id=signed))
        assert await returned.until(address) == found


async def test_a_complaint_counts_everywhere_but_for_exempt_topics(
    open_office: OpenOffice,
) -> None:
    returned = Returned(open_office(MAILROOM_COMPLAINT_EXEMPT_TOPICS='["security"]'))
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    report = Report(kind="complaint", feedback_type="abuse", mailroom_id=signed)
    assert await returned.come_back(report)
    assert await returned.statuses(message_id) == {"ana@example.com": "complained"}
    returned.office.clock.ahead += timedelta(seconds=3)
    statuses = [
        (await returned.office.view(await returned.sent(**changes)))["status"]
        for changes in ({}, {"topic": "news", "category": "bulk"}, {"topic": "security"})
    ]
    assert statuses == ["suppressed", "suppressed", "sent"]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
async def test_what_is_no_complaint_suppresses_nobody(returned: Returned, kind: str) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    report = Report(kind="complaint", feedback_type=kind, mailroom_id=signed)
    await returned.come_back(report)
    assert await returned.until("ana@example.com") == []
    assert [entry for entry, _ in await returned.told(message_id)] == ["complained"]


async def test_a_click_on_unsubscribe_in_a_mail_program_is_no_complaint(
    returned: Returned,
) -> None:
    """Apple Mail's own report (feedback type opt-out): the topic ends, and nothing else does."""
    for changes, told in (({"category": "bulk", "topic": "news"}, ["topic:news"]), ({}, [])):
        message_id = await returned.sent(to=[{"email": f"{len(told)}@example.com"}], **changes)
        signed = returned.header(message_id, "X-Mailroom-Id")
        report = Report(kind="complaint", feedback_type="opt-out", mailroom_id=signed)
        await returned.come_back(report)
        found = await returned.office.app._suppressions.find(f"{len(told)}@example.com")
        assert [entry.scope for entry in found] == told


async def test_an_unsubscribe_mail_with_our_token(returned: Returned) -> None:
    news = {"category": "bulk", "topic": "news"}
    message_id = await returned.sent(**news)
    link = returned.header(message_id, "List-Unsubscribe")
    subject = unquote(link.partition("subject=")[2].rstrip(">"))
    report = Report(kind="unsubscribe", subject=f"Re: {subject}", message_id="<u@reader.test>")
    assert await returned.come_back(report)
    [entry] = await returned.office.app._suppressions.find("ana@example.com")
    assert (entry.scope, entry.reason, entry.source) == ("topic:news", "unsubscribed", "mailto")
    assert ("unsubscribed", "news") in await returned.told(message_id)
    returned.office.clock.ahead += timedelta(seconds=3)
    statuses = [
        (await returned.office.view(await returned.sent(**changes)))["status"]
        for changes in (news, {"category": "bulk", "topic": "offers"}, {})
    ]
    assert statuses == ["suppressed", "sent", "sent"]


async def test_a_token_works_without_its_subject_and_when_the_message_is_forgotten(
    returned: Returned,
) -> None:
    signing = returned.office.app._signing
    token = await Tokens(signing).make(Subscriber("bo@example.com", "news", "long-gone"))
    report = Report(kind="unsubscribe", subject="unsubscribe", text=f"unsubscribe {token}\n")
    assert await returned.come_back(report)
    [entry] = await returned.office.app._suppressions.find("bo@example.com")
    assert (entry.scope, entry.message_id) == ("topic:news", "long-gone")


def answer(returned: Returned, message_id: str, sender: str = "Ana@example.com") -> Report:
    """STOP, in answer to a message."""
    ids = (returned.header(message_id, "Message-ID"),)
    return Report(
        kind="other", subject="Re: Offers", text="STOP\n\n> Hello", sender=sender,
        original_message_ids=ids, message_id="<stop@reader.test>",
    )  # fmt: skip


async def test_an_answer_that_says_stop_is_proposed(returned: Returned) -> None:
    message_id = await returned.sent(category="bulk", topic="news")
    assert not await returned.come_back(answer(returned, message_id))
    assert await returned.until("ana@example.com") == []
    [row] = await returned.office.rows("returned")
    assert (row["kind"], row["message_id"]) == ("unsubscribe", message_id)
    assert "news" in row["why"]


async def test_an_answer_that_says_stop_is_applied_where_the_setting_says_so(
    open_office: OpenOffice,
) -> None:
    returned = Returned(open_office(MAILROOM_UNSUBSCRIBE_REPLIES="apply"))
    message_id = await returned.sent(category="bulk", topic="news")
    other = answer(returned, message_id, sender="somebody@else.test")
    assert not await returned.come_back(other)
    assert await returned.until("ana@example.com") == []
    assert await returned.come_back(answer(returned, message_id))
    [entry] = await returned.office.app._suppressions.find("ana@example.com")
    assert (entry.scope, entry.source) == ("topic:news", "mailto")


async def test_stop_about_something_else_is_nobodys_business(returned: Returned) -> None:
    plain = await returned.sent()
    for report in (
        answer(returned, plain),
        Report(kind="other", subject="Re: lunch", text="stop", original_message_ids=("<a@b.c>",)),
    ):
        assert not await returned.come_back(report)
    assert await returned.office.rows("returned") == []


async def test_what_has_been_applied_is_told_and_not_done_again(returned: Returned) -> None:
    """The recipient may have taken it back before its event is handled."""
    message_id = await returned.sent(category="bulk", topic="news")
    link = returned.header(message_id, "List-Unsubscribe").partition("subject=")[2]
    token = unquote(link.rstrip(">")).removeprefix("unsubscribe ")
    serve = returned.office.app.unsubscribing.serve
    undo = b"do=undo&all=&until=&shown=news&topic=news&cadence-news=each"
    for body in (b"List-Unsubscribe=One-Click", undo):
        assert (await serve("POST", token, body, {})).status == 200
    await returned.handle()
    assert await returned.until("ana@example.com") == []
    told = await returned.told(message_id)
    assert sorted(told) == [("subscribed", "news"), ("unsubscribed", "news")]


@pytest.mark.parametrize("token", ["", "news", "x" * 32 + "." + "A" * 43])
async def test_an_unsubscribe_mail_without_our_token_is_for_somebody_to_see(
    returned: Returned, token: str
) -> None:
    report = Report(kind="unsubscribe", subject=f"unsubscribe {token}")
    assert not await returned.come_back(report)
    assert await returned.office.rows("suppressions") == []
    [row] = await returned.office.rows("returned")
    assert "token" in row["why"]


async def test_the_id_of_a_mail_is_no_token_to_unsubscribe_by(returned: Returned) -> None:
    message_id = await returned.sent(category="bulk", topic="news")
    signed = returned.header(message_id, "X-Mailroom-Id")
    assert not await returned.come_back(Report(kind="unsubscribe", subject=f"unsubscribe {signed}"))
    assert await returned.office.rows("suppressions") == []


async def test_delays_and_answers_of_machines_are_told(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    delayed = ReportedRecipient(address="ana@example.com", action="delayed", status="4.4.1")
    reports = (
        Report(kind="delayed", recipients=(delayed,), mailroom_id=signed, message_id="<1@x>"),
        Report(kind="auto-reply", mailroom_id=signed, message_id="<2@x>"),
    )
    for report in reports:
        assert await returned.come_back(report)
    kinds = sorted(kind for kind, _ in await returned.told(message_id))
    assert kinds == ["autoresponded", "deferred"]
    assert await returned.statuses(message_id) == {"ana@example.com": "sent"}


async def test_one_report_can_tell_different_things_of_different_recipients(
    returned: Returned,
) -> None:
    to = [{"email": f"{name}@example.com"} for name in ("a", "b", "c")]
    message_id = await returned.sent(to=to)
    signed = returned.header(message_id, "X-Mailroom-Id")
    recipients = (
        replace(DEAD, address="a@example.com"),
        ReportedRecipient(address="b@example.com", action="delayed"),
        ReportedRecipient(address="c@example.com", action="delivered"),
    )
    await returned.take(bounce(*recipients, mailroom_id=signed))
    events = await returned.handle()
    assert {e["data"]["recipient"][0]: e["type"].rpartition(".")[2] for e in events} == {
        "a": "bounced",
        "b": "deferred",
        "c": "delivered",
    }


@pytest.mark.parametrize("kind", ["other", "auto-reply", "challenge"])
async def test_what_concerns_nobody_here_is_left_alone(returned: Returned, kind: str) -> None:
    report = Report(kind=kind, original_message_ids=("<people@contoso.test>",))  # type: ignore[arg-type]
    assert not await returned.come_back(report)
    assert await returned.office.rows("returned") == []


async def test_a_person_who_answers_is_left_alone(returned: Returned) -> None:
    message_id = await returned.sent()
    header = returned.header(message_id, "Message-ID")
    assert not await returned.take(Report(kind="other", original_message_ids=(header,)))
    assert await returned.events() == []


async def test_a_parser_that_fails_stops_nothing(returned: Returned) -> None:
    mail = returned.mail(bounce())
    returned.reports.clear()
    assert not await returned.office.app.feedback.intake.take(mail)
    [row] = await returned.office.rows("returned")
    assert (row["understood"], row["match"]) == (False, "none")


async def test_a_bounce_while_the_message_is_being_sent_waits(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    ledger = returned.office.app._ledger
    record = await ledger.get(message_id)
    assert record is not None
    await returned.take(bounce(mailroom_id=signed))
    [(_, event)] = await returned.events()
    sending = await ledger.change(record, replace(record, status="sending", finished_at=None))
    body = json.dumps(event).encode()
    await returned.office.app.feedback.bounces.handle(body)
    assert await returned.events() == []  # it is there, but not to be seen yet
    assert await returned.told(message_id) == []
    await ledger.change(
        sending, replace(sending, status="sent", finished_at=returned.office.clock())
    )
    await returned.office.app.feedback.bounces.handle(body)
    assert await returned.statuses(message_id) == {"ana@example.com": "bounced"}


async def test_a_bounce_of_an_unknown_message_proves_that_it_was_sent(returned: Returned) -> None:
    to = [{"email": "ana@example.com"}, {"email": "b@example.com"}]
    message_id = await returned.sent(to=to)
    signed = returned.header(message_id, "X-Mailroom-Id")
    ledger = returned.office.app._ledger
    record = await ledger.get(message_id)
    assert record is not None
    pending = {r.email: replace(r, status="pending") for r in record.recipients}
    await ledger.change(record, replace(record.with_recipients(pending), status="unknown"))
    await returned.come_back(bounce(mailroom_id=signed))
    assert await returned.statuses(message_id) == {
        "ana@example.com": "bounced",
        "b@example.com": "pending",
    }
    answer = await returned.office.resolve(message_id, **{"as": "failed"})
    assert json.loads(answer.body)["status"] == "sent"  # for somebody it was


@pytest.mark.parametrize("queue", ["complaints", "unsubscribes", "deliveries"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 5000, b'{"specversion": "1.0"}'])
async def test_what_is_no_event_goes_to_poison(returned: Returned, queue: str, body: bytes) -> None:
    await getattr(returned.office.app.feedback, queue).handle(body)
    names = {"complaints": "complaint", "unsubscribes": "unsubscribe", "deliveries": "delivery"}
    [(_, text)] = await returned.office.take(f"{names[queue]}-events-poison")
    assert json.loads(text)["reason"]
