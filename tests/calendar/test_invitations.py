"""Events as iCalendar objects, read back by icalendar and by dateutil's own reader."""

import io
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import pytest
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import complete_event, write_invitation
from shared.calendar.zones import describe_zone
from shared.composing import encoded_size
from shared.errors import ComposeError, FieldProblem, InvalidMessageError
from shared.messages.model import Message
from shared.messages.parsing import message_json, parse_message
from tests.composing.reading import make, send, tree

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BERLIN = {"start": "2026-12-01T09:00", "end": "2026-12-01T10:30", "zone": "Europe/Berlin"}


def completed(event: dict[str, Any], **changes: Any) -> Message:
    message = make(event=event, **changes)
    return complete_event(message, "0190abcd", now=NOW)


def calendar_of(message: Message) -> Any:
    invitation = write_invitation(message)
    assert invitation is not None
    check_lines(invitation.content)
    read = icalendar.Calendar.from_ical(invitation.content)
    assert isinstance(read, icalendar.Calendar)
    assert read["METHOD"] == invitation.method
    return read


def check_lines(content: bytes) -> None:
    """RFC 5545 section 3.1: CRLF, 75 octets, no character cut in two."""
    assert content.endswith(b"END:VCALENDAR\r\n")
    for line in content.split(b"\r\n"):
        assert b"\n" not in line
        assert len(line) <= 75
        line.decode()


def event_of(message: Message) -> Any:
    (event,) = calendar_of(message).events
    return event


def refusals(event: dict[str, Any], **changes: Any) -> list[FieldProblem]:
    with pytest.raises(InvalidMessageError) as raised:
        completed(event, **changes)
    assert all(problem.fix for problem in raised.value.problems)
    return list(raised.value.problems)


def test_what_is_left_open_follows_from_the_message() -> None:
    message = completed(BERLIN, cc=[{"email": "ben@example.com"}], bcc=[{"email": "eve@x.test"}])
    event = event_of(message)
    assert event["UID"] == "0190abcd.event@example.com"
    assert event["SUMMARY"] == "Your invoice 1042"
    assert event["DTSTAMP"].dt == NOW
    assert event["SEQUENCE"] == 0
    assert event["STATUS"] == "CONFIRMED"
    assert event["ORGANIZER"] == "mailto:billing@example.com"
    assert event["ORGANIZER"].params["CN"] == "Contoso Billing"
    ana, ben = event["ATTENDEE"]
    assert (ana, ben) == ("mailto:ana@example.com", "mailto:ben@example.com")
    assert (ana.params["ROLE"], ben.params["ROLE"]) == ("REQ-PARTICIPANT", "OPT-PARTICIPANT")
    assert ana.params["RSVP"] == "TRUE"
    invitation = write_invitation(message)
    assert invitation is not None
    assert b"eve@" not in invitation.content


def test_times_are_right_in_summer_and_winter() -> None:
    for start, end, utc in (
        ("2026-12-01T09:00", "2026-12-01T10:00", 8),
        ("2027-07-01T09:00", "2027-07-01T10:00", 7),
    ):
        event = event_of(completed({"start": start, "end": end, "zone": "Europe/Berlin"}))
        assert event["DTSTART"].params["TZID"] == "Europe/Berlin"
        assert event["DTSTART"].dt.astimezone(UTC).hour == utc


def test_an_offset_is_placed_in_the_zone_or_in_utc() -> None:
    times = {"start": "2026-12-01T09:00:00-05:00", "end": "2026-12-01T15:00:00Z"}
    event = event_of(completed(times | {"zone": "Asia/Tokyo"}))
    assert event["DTSTART"].dt.isoformat() == "2026-12-01T23:00:00+09:00"
    calendar = calendar_of(completed(times))
    (event,) = calendar.events
    assert event["DTSTART"].to_ical() == b"20261201T140000Z"
    assert not calendar.timezones


def test_a_day_lasts_a_day() -> None:
    event = event_of(completed({"start": "2026-12-24"}))
    assert event["DTSTART"].dt == date(2026, 12, 24)
    assert event["DTEND"].dt == date(2026, 12, 25)
    assert event["DTSTART"].params["VALUE"] == "DATE"


def test_a_series_keeps_its_local_time_over_the_change() -> None:
    message = completed(BERLIN | {"recurrence": "FREQ=WEEKLY;BYDAY=TU;UNTIL=20270406"})
    event = event_of(message)
    # RFC 5545 section 3.3.10: with a TZID the end is told in UTC.
    assert b"UNTIL=20270406T215959Z" in event["RRULE"].to_ical()
    assert event["DTSTART"].params["TZID"] == "Europe/Berlin"
    days = event_of(completed({"start": "2026-12-24", "recurrence": "FREQ=YEARLY;UNTIL=20301224"}))
    assert b"UNTIL=20301224" in days["RRULE"].to_ical().split(b";")


def test_a_change_and_a_cancellation_keep_the_uid() -> None:
    change = event_of(completed(BERLIN | {"uid": "meeting-7@contoso.com", "sequence": 2}))
    assert (change["UID"], change["SEQUENCE"]) == ("meeting-7@contoso.com", 2)
    message = completed(
        BERLIN | {"uid": "meeting-7@contoso.com", "sequence": 3, "method": "cancel"}
    )
    calendar = calendar_of(message)
    (event,) = calendar.events
    assert calendar["METHOD"] == "CANCEL"
    assert event["STATUS"] == "CANCELLED"
    assert event["ATTENDEE"] == "mailto:ana@example.com"


def test_one_occurrence_is_named_in_the_events_zone() -> None:
    event = event_of(
        completed(BERLIN | {"uid": "x", "sequence": 1, "recurrence_id": "2026-12-01T09:00"})
    )
    assert event["RECURRENCE-ID"].params["TZID"] == "Europe/Berlin"


def test_who_acts_for_an_organizer_is_named() -> None:
    event = event_of(completed(BERLIN | {"organizer": {"email": "boss@contoso.com"}}))
    assert event["ORGANIZER"].params["SENT-BY"] == "mailto:billing@example.com"


def test_a_published_event_invites_nobody() -> None:
    event = event_of(completed(BERLIN | {"method": "publish"}, to=[], bcc=[{"email": "a@x.test"}]))
    assert "ATTENDEE" not in event
    assert event["ORGANIZER"]


def test_a_reminder_and_the_rest() -> None:
    event = event_of(
        completed(
            BERLIN
            | {
                "reminder_minutes": 15, "location": "Raum 3, Köln", "show_as": "free",
                "description": "Zeile 1\nZeile; zwei, \\ drei", "status": "tentative",
                "url": "https://contoso.com/meet?x=1&y=2", "summary": "Prüfung, Teil 2",
            }
        )
    )  # fmt: skip
    (alarm,) = event.walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(minutes=-15)
    assert event["DESCRIPTION"] == "Zeile 1\nZeile; zwei, \\ drei"
    assert event["SUMMARY"] == "Prüfung, Teil 2"
    assert event["LOCATION"] == "Raum 3, Köln"
    assert event["URL"] == "https://contoso.com/meet?x=1&y=2"
    assert (event["TRANSP"], event["STATUS"]) == ("TRANSPARENT", "TENTATIVE")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (BERLIN | {"start": "2027-03-28T02:30", "end": "2027-03-28T04:00"}, "/event/start"),
        (BERLIN | {"end": "2026-12-01T09:00"}, "/event/end"),
        ({"start": "2026-12-24", "end": "2026-12-24"}, "/event/end"),
        (BERLIN | {"attendees": []}, "/event/attendees"),
    ],
)
def test_what_cannot_be_is_refused(event: dict[str, Any], field: str) -> None:
    assert [problem.field for problem in refusals(event)] == [field]


def test_hidden_recipients_are_not_invited() -> None:
    found = refusals(BERLIN, to=[], bcc=[{"email": "a@x.test"}])
    assert [problem.field for problem in found] == ["/event/attendees"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"start": "2026-12-01T09:00", "end": "2026-12-01T10:00"}, "/event"),
        ({"start": "2026-12-01T09:00:00Z"}, "/event"),
        ({"start": "2026-12-01", "end": "2026-12-02T09:00:00Z"}, "/event"),
        ({"start": "1.12.2026"}, "/event/start"),
        ({"start": "2026-13-01"}, "/event/start"),
        ({"start": 1764579600}, "/event/start"),
        (BERLIN | {"zone": "Europe/Atlantis"}, "/event/zone"),
        (BERLIN | {"zone": "../../etc/passwd"}, "/event/zone"),
        (BERLIN | {"zone": "Europe"}, "/event/zone"),
        (BERLIN | {"method": "cancel"}, "/event"),
        (BERLIN | {"sequence": 1}, "/event"),
        (BERLIN | {"method": "reply"}, "/event/method"),
        (BERLIN | {"uid": "a b"}, "/event/uid"),
        (BERLIN | {"recurrence": "FREQ=SECONDLY"}, "/event/recurrence"),
        (BERLIN | {"recurrence": "FREQ=DAILY;COUNT=2;UNTIL=20270101"}, "/event/recurrence"),
        (BERLIN | {"recurrence": "FREQ=DAILY;UNTIL=20271301"}, "/event/recurrence"),
        (BERLIN | {"recurrence": "FREQ=DAILY\r\nATTACH:x"}, "/event/recurrence"),
        (BERLIN | {"url": "http://contoso.com/"}, "/event/url"),
        (BERLIN | {"summary": "a\r\nATTENDEE:mailto:x@y.z"}, "/event/summary"),
        (BERLIN | {"attendees": [{"email": "x"}]}, "/event/attendees/0/email"),
        (BERLIN | {"attendees": [{"email": "a@x.test"}] * 501}, "/event/attendees"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(event: dict[str, Any], field: str) -> None:
    import json

    body = {"from": {"email": "a@x.test"}, "to": [{"email": "b@x.test"}], "subject": "s",
            "text": "t", "event": event}  # fmt: skip
    with pytest.raises(InvalidMessageError) as raised:
        parse_message(json.dumps(body).encode())
    assert [problem.field for problem in raised.value.problems] == [field]
    assert all(problem.fix for problem in raised.value.problems)


def test_outlook_finds_it_among_the_alternatives() -> None:
    mail = send(completed(BERLIN, html="<p>Hello</p>"))
    assert tree(mail.old) == [
        "mixed",
        ["alternative", "text/plain", "text/html", "text/calendar"],
        "application/ics",
    ]
    calendar = next(p for p in mail.new.walk() if p.get_content_type() == "text/calendar")
    assert calendar["Content-Type"].params["method"] == "REQUEST"
    assert calendar["Content-Type"].params["charset"] == "utf-8"
    file = next(p for p in mail.new.walk() if p.get_content_type() == "application/ics")
    assert file.get_filename() == "invite.ics"
    written = write_invitation(completed(BERLIN, html="<p>Hello</p>"))
    assert written is not None
    assert calendar.get_payload(decode=True) == written.content == file.get_payload(decode=True)


def test_its_size_is_reckoned() -> None:
    message = completed(BERLIN | {"description": "Ü" * 5000}, html="<p>x</p>")
    mail = send(message).composed
    assert mail.size <= encoded_size(message) <= mail.size * 1.05 + 5000


def test_an_event_survives_storage_and_is_written_alike() -> None:
    message = completed(BERLIN)
    again = parse_message(message_json(message))
    assert again == message
    assert write_invitation(again) == write_invitation(message)
    assert complete_event(again, "other", now=NOW + timedelta(days=1)) == message


def test_an_event_that_is_not_complete_is_not_composed() -> None:
    with pytest.raises(ComposeError):
        write_invitation(make(event=BERLIN))
    assert write_invitation(make()) is None


LINES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u202d\u202e\u2028\u2029"),
    min_size=1,
    max_size=300,
)


@settings(deadline=None)
@given(text=LINES)
def test_any_text_stays_text(text: str) -> None:
    def properties(name: str) -> list[str]:
        organizer = {"email": "a@x.test", "name": name}
        event = event_of(completed(BERLIN | {"summary": name, "organizer": organizer}))
        assert event["SUMMARY"] == (name.strip() or "Your invoice 1042")
        return [key for key, _ in event.property_items()]

    assert properties(text[:200]) == properties("x")


def test_zones_mean_what_the_iana_database_means() -> None:
    """Every zone over eleven years, judged by dateutil, which reads VTIMEZONE by itself."""
    noons = [datetime(2026, 1, 1, 12) + timedelta(days=97 * n) for n in range(42)]  # noqa: DTZ001
    wrong = []
    for name in sorted(zoneinfo.available_timezones()):
        home = zoneinfo.ZoneInfo(name)
        text = describe_zone(home, date(2026, 6, 1)).to_ical().decode()
        read = tz.tzical(io.StringIO(text.replace("\r\n", "\n"))).get(name)
        wrong += [
            (name, noon) for noon in noons
            if noon.replace(tzinfo=read).utcoffset() != noon.replace(tzinfo=home).utcoffset()
        ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_summer_time_begins_and_ends_at_its_hour(zone: str) -> None:
    home = zoneinfo.ZoneInfo(zone)
    text = describe_zone(home, date(2026, 6, 1)).to_ical().decode()
    read = tz.tzical(io.StringIO(text.replace("\r\n", "\n"))).get(zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year == 2026:
        after = moment + timedelta(minutes=30)
        if moment.astimezone(home).utcoffset() != after.astimezone(home).utcoffset():
            for edge in (moment, after):
                assert edge.astimezone(read).utcoffset() == edge.astimezone(home).utcoffset()
        moment = after


def test_rules_are_yearly_where_the_zone_has_them() -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/London"):
        text = describe_zone(zoneinfo.ZoneInfo(zone), date(2026, 6, 1)).to_ical()
        assert text.count(b"RRULE:FREQ=YEARLY") == 2
        assert text.count(b"BEGIN:STANDARD") == text.count(b"BEGIN:DAYLIGHT") == 1
    assert (
        b"RDATE"
        in describe_zone(zoneinfo.ZoneInfo("Africa/Casablanca"), date(2026, 6, 1)).to_ical()
    )
