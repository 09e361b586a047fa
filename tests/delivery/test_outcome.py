"""From the end of an attempt to the message's next state: pure, and for any end there is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.delivery.outcome import Schedule, read_handover, settle
from shared.delivery.replies import Reply
from shared.delivery.session import Handover
from shared.messages.record import MessageRecord, RecipientRecord, TimelineEntry

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
GRACE = timedelta(minutes=2)
OK = Reply(250, "2.0.0 OK <id@PROD.OUTLOOK.COM> [Hostname=X]")
BUSY = Reply(451, "4.7.0 Temporary server error")
NO_SUCH = Reply(550, "5.1.10 Recipient not found")
POLICY = Reply(554, "5.7.1 Refused by policy")
THROTTLED = Reply(432, "4.3.2 Concurrent connections limit exceeded")
SEND_AS = Reply(554, "5.2.252 SendAsDenied")
SMTP_AUTH_OFF = Reply(
    535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
)

steady = settings(deadline=None, derandomize=True)


def schedule(now: datetime = NOW, jitter: float = 0.5) -> Schedule:
    return Schedule(now, jitter, DAY, GRACE)


def record_of(*addresses: str, **changes: Any) -> MessageRecord:
    whole = MessageRecord(
        id="m1",
        status="sending",
        accepted_at=NOW,
        source="http",
        content_hash="",
        sender="billing@contoso.test",
        recipients=tuple(RecipientRecord(a) for a in addresses or ("a@x.com", "b@x.com")),
        message_id="<m1@contoso.test>",
        attempt=1,
        owner="me",
        lease_until=NOW + timedelta(minutes=2),
        due=NOW,
        checks=2,
        mailbox="billing@contoso.test",
    )
    return replace(whole, **changes)


def after(record: MessageRecord, handover: Handover, **when: Any) -> MessageRecord:
    """The record after this end of its attempt."""
    open_ones = [r.email for r in record.recipients if r.open]
    entries = read_handover(
        handover, open_ones, at=NOW, attempt=record.attempt, mailbox=record.mailbox
    )
    return settle(record, entries, schedule(**when))


def statuses(record: MessageRecord) -> list[str]:
    return [r.status for r in record.recipients]


def test_all_accepted() -> None:
    record = after(record_of(), Handover(accepted=True, stage="end-of-data", reply=OK))
    assert (record.status, statuses(record)) == ("sent", ["sent", "sent"])
    assert record.server_id == "<id@PROD.OUTLOOK.COM>"
    assert (record.finished_at, record.due, record.not_before) == (NOW, None, None)
    assert (record.owner, record.lease_until, record.checks) == ("", None, 0)
    assert (record.detail, record.fix) == ("", "")
    assert record.recipients[0].reply == str(OK)


def test_some_refused_for_good() -> None:
    handover = Handover(accepted=True, stage="end-of-data", reply=OK, refused={"b@x.com": NO_SUCH})
    record = after(record_of(), handover)
    assert (record.status, statuses(record)) == ("sent", ["sent", "rejected"])
    assert record.recipients[1].code == "5.1.10"


def test_some_refused_for_now_are_tried_again_alone() -> None:
    handover = Handover(accepted=True, stage="end-of-data", reply=OK, refused={"b@x.com": BUSY})
    record = after(record_of(), handover)
    assert (record.status, statuses(record)) == ("queued", ["sent", "deferred"])
    assert record.not_before == NOW + timedelta(seconds=15)
    assert record.due == record.not_before + GRACE
    again = replace(record, status="sending", attempt=2)
    done = after(again, Handover(accepted=True, stage="end-of-data", reply=OK))
    assert (done.status, statuses(done)) == ("sent", ["sent", "sent"])


def test_everybody_refused() -> None:
    refused = {"a@x.com": NO_SUCH, "b@x.com": NO_SUCH}
    record = after(
        record_of(), Handover(accepted=False, stage="rcpt", reply=NO_SUCH, refused=refused)
    )
    assert (record.status, statuses(record)) == ("failed", ["rejected", "rejected"])
    assert "5.1.10" in record.detail
    assert "No such address" in record.fix


def test_the_whole_message_refused() -> None:
    record = after(record_of(), Handover(accepted=False, stage="end-of-data", reply=POLICY))
    assert (record.status, statuses(record)) == ("failed", ["rejected", "rejected"])
    assert record.detail == str(POLICY)
    assert "DMARC" in record.fix


@pytest.mark.parametrize("reply", [BUSY, THROTTLED, SMTP_AUTH_OFF])
def test_what_is_not_about_the_message_makes_it_wait(reply: Reply) -> None:
    record = after(record_of(), Handover(accepted=False, stage="mail", reply=reply))
    assert (record.status, statuses(record)) == ("queued", ["deferred", "deferred"])
    assert record.detail.startswith(str(reply.code))
    assert (record.finished_at, record.owner) == (None, "")


def test_send_as_denied_fails_at_once_before_the_mailbox_is_blocked_for_it() -> None:
    record = after(record_of(), Handover(accepted=False, stage="end-of-data", reply=SEND_AS))
    assert record.status == "failed"
    assert "SendAs" in record.fix


def test_a_connection_that_broke_before_the_end_of_data_makes_it_wait() -> None:
    handover = Handover(
        accepted=False, stage="data", refused={"b@x.com": NO_SUCH}, detail="The connection broke."
    )
    record = after(record_of(), handover)
    assert (record.status, statuses(record)) == ("queued", ["deferred", "rejected"])
    assert record.detail == "The connection broke."


def test_a_connection_that_broke_after_the_end_of_data_is_unknown() -> None:
    handover = Handover(
        accepted=None, stage="end-of-data", refused={"b@x.com": NO_SUCH}, detail="It broke."
    )
    record = after(record_of(), handover)
    assert (record.status, statuses(record)) == ("unknown", ["pending", "rejected"])
    assert record.final
    assert "Sent Items" in record.fix


def test_who_knows_better_ends_what_is_unknown() -> None:
    unknown = after(record_of(), Handover(accepted=None, stage="end-of-data"))
    record = after(unknown, Handover(accepted=True, stage="end-of-data", reply=OK))
    assert (record.status, statuses(record)) == ("sent", ["sent", "sent"])


def test_the_deadline_ends_in_failure_with_the_last_refusal() -> None:
    old = record_of(accepted_at=NOW - DAY)
    record = after(old, Handover(accepted=False, stage="mail", reply=THROTTLED))
    assert (record.status, statuses(record)) == ("failed", ["rejected", "rejected"])
    assert "deadline" in record.detail
    assert "432 4.3.2" in record.detail
    assert "connections" in record.fix
    almost = replace(old, accepted_at=NOW - DAY + timedelta(seconds=1))
    assert after(almost, Handover(accepted=False, stage="mail", reply=BUSY)).status == "queued"


def test_the_deadline_of_a_message_that_reached_some_is_no_failure() -> None:
    partly = record_of(accepted_at=NOW - DAY)
    handover = Handover(accepted=True, stage="end-of-data", reply=OK, refused={"b@x.com": BUSY})
    record = after(partly, handover)
    assert (record.status, statuses(record)) == ("sent", ["sent", "rejected"])
    assert "deadline" in record.detail


def test_a_scheduled_message_s_deadline_counts_from_its_time() -> None:
    waiting = record_of(accepted_at=NOW - timedelta(days=30), send_at=NOW - timedelta(hours=1))
    handover = Handover(accepted=False, stage="mail", reply=BUSY)
    assert after(waiting, handover).status == "queued"
    backdated = record_of(accepted_at=NOW, send_at=NOW - timedelta(days=30))
    assert after(backdated, handover).status == "queued"


def test_the_delay_doubles_up_to_half_an_hour_and_is_spread_by_a_quarter() -> None:
    handover = Handover(accepted=False, stage="mail", reply=BUSY)

    def delay(attempt: int, jitter: float) -> float:
        record = after(record_of(attempt=attempt), handover, jitter=jitter)
        assert record.not_before is not None
        return (record.not_before - NOW).total_seconds()

    assert [delay(n, 0.5) for n in range(1, 10)] == [15, 30, 60, 120, 240, 480, 960, 1800, 1800]
    assert delay(10_000, 0.5) == 1800
    assert (delay(1, 0.0), delay(1, 1.0)) == (11.25, 18.75)
    assert (delay(99, 0.0), delay(99, 1.0)) == (1350, 2250)


def test_recipients_with_one_reply_share_an_entry() -> None:
    addresses = [f"{i}@x.com" for i in range(100)]
    refused = {address: (NO_SUCH, BUSY)[i % 2] for i, address in enumerate(addresses[:50])}
    handover = Handover(accepted=True, stage="end-of-data", reply=OK, refused=refused)
    entries = read_handover(handover, addresses, at=NOW, attempt=3, mailbox="m@x.com")
    assert sorted((e.type, len(e.recipients)) for e in entries) == [
        ("deferred", 25), ("rejected", 25), ("sent", 50),
    ]  # fmt: skip
    assert all((e.at, e.attempt, e.mailbox) == (NOW, 3, "m@x.com") for e in entries)


def test_an_entry_without_recipients_is_about_all_that_are_open() -> None:
    record = record_of().with_recipients({"a@x.com": RecipientRecord("a@x.com", "sent")})
    entry = TimelineEntry(type="failed", at=NOW, attempt=2, detail="The content is gone.")
    settled = settle(record, [entry], schedule())
    assert (settled.status, statuses(settled)) == ("sent", ["sent", "rejected"])
    assert settled.attempt == 2


# Any end of an attempt, for any state of the recipients.

_replies = st.sampled_from(
    [OK, BUSY, NO_SUCH, POLICY, THROTTLED, SEND_AS, SMTP_AUTH_OFF, Reply(421, "4.3.2"),
     Reply(354, "?"), Reply(-1, ""), Reply(552, "5.3.4"), Reply(501, "5.1.3")]
)  # fmt: skip
_addresses = ["a@x.com", "b@x.com", "c@x.com", "d@x.com"]
_records = st.builds(
    lambda states, attempt, age: record_of(
        attempt=attempt,
        accepted_at=NOW - age,
        recipients=tuple(RecipientRecord(a, s) for a, s in zip(_addresses, states, strict=False)),
    ),
    st.lists(
        st.sampled_from(["pending", "deferred", "sent", "rejected", "suppressed"]),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 50),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)


@st.composite
def _handovers(pick: st.DrawFn) -> Handover:
    refused = pick(
        st.dictionaries(
            st.sampled_from(_addresses), _replies.filter(lambda reply: reply is not OK), max_size=4
        )
    )
    accepted = pick(st.sampled_from([True, False, None]))
    if accepted:
        return Handover(accepted=True, stage="end-of-data", reply=OK, refused=refused)
    if accepted is None:
        return Handover(accepted=None, stage="end-of-data", refused=refused, detail="It broke.")
    reply = pick(st.none() | _replies.filter(lambda reply: reply is not OK))
    detail = "" if reply else "It broke."
    return Handover(accepted=False, stage="data", reply=reply, refused=refused, detail=detail)


@steady
@given(record=_records, handover=_handovers(), jitter=st.floats(0, 1))
def test_no_recipient_is_lost_and_none_gets_the_mail_unasked(
    record: MessageRecord, handover: Handover, jitter: float
) -> None:
    open_before = {r.email for r in record.recipients if r.open}
    entries = read_handover(
        handover, sorted(open_before), at=NOW, attempt=record.attempt, mailbox="m@x.com"
    )
    told = [address for entry in entries for address in entry.recipients]
    assert sorted(told) == sorted(open_before)  # each once
    settled = settle(record, entries, schedule(jitter=jitter))
    assert [r.email for r in settled.recipients] == [r.email for r in record.recipients]
    for old, new in zip(record.recipients, settled.recipients, strict=True):
        if old.email not in open_before:
            assert new == old
        elif handover.accepted and old.email not in handover.refused:
            assert new.status == "sent"
        else:
            assert new.status in {"pending", "deferred", "rejected"}
    open_after = [r for r in settled.recipients if r.open]
    unknown = any(entry.type == "unknown" for entry in entries)
    assert settled.final == (unknown or not open_after)
    assert (settled.status == "unknown") == unknown
    if settled.final:
        assert (settled.due, settled.not_before) == (None, None)
        assert settled.finished_at == NOW
    else:
        assert settled.status == "queued"
        assert settled.not_before is not None
        assert timedelta(seconds=11) < settled.not_before - NOW < timedelta(minutes=38)
        assert settled.due == settled.not_before + GRACE
        assert record.accepted_at + DAY > NOW
    if settled.status == "sent":
        assert any(r.status == "sent" for r in settled.recipients)
    if settled.status in {"failed", "queued", "unknown"}:
        assert settled.detail
    assert (settled.owner, settled.lease_until) == ("", None)
    assert settled.attempt == record.attempt


@steady
@given(record=_records, handover=_handovers())
def test_settling_again_from_the_same_entries_changes_nothing(
    record: MessageRecord, handover: Handover
) -> None:
    open_ones = [r.email for r in record.recipients if r.open]
    entries = read_handover(handover, open_ones, at=NOW, attempt=record.attempt, mailbox="m")
    once = settle(record, entries, schedule())
    twice = settle(once, entries, schedule())
    assert statuses(twice) == statuses(once)
    assert twice.status == once.status


@steady
@given(record=_records)
def test_an_attempt_that_brought_nothing_leaves_the_recipients_as_they_were(
    record: MessageRecord,
) -> None:
    settled = settle(record, [], schedule())
    if any(r.open for r in record.recipients) and record.accepted_at + DAY > NOW:
        assert settled.status == "queued"
        assert statuses(settled) == statuses(record)
    else:
        assert settled.final
