"""What is refused, where, and with which advice."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidMessageError
from shared.messages.parsing import MAX_PROBLEMS, parse_message
from tests.messages.drafts import as_body, draft, problem_at, read, refusal, steady


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"from":', b"nonsense", b"\xff\xfe\x00", b'{"subject":"\xff"}', b"[1,]",
     b'{"subject":"a\nb"}', b'{"subject":"\\ud800"}', b'{"subject":"\\udfff\\ud800"}',
     b'{"subject":"\\q"}', b"{'a':1}", b'{"a":1} x', json.dumps(draft()).encode("utf-16"),
     b"\xef\xbb\xbf" + json.dumps(draft()).encode(), b'{"a":01}', b'{"a":' + b"1" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_json_is_refused_as_unreadable(body: bytes) -> None:
    refused = refusal(body)
    assert refused.status == 400
    assert [p.field for p in refused.problems] == [""]
    assert "JSON" in refused.problems[0].fix


@pytest.mark.parametrize("body", [b"null", b"true", b"5", b'"x"', b"[]", b"[{}]"])
def test_json_that_is_no_object_is_no_message(body: bytes) -> None:
    refused = refusal(body)
    assert (refused.status, refused.problems[0].field) == (422, "")
    assert refused.problems[0].fix == "Send a JSON object."


# Each field with values of types that are not its own.
WRONG_TYPES: list[tuple[str, dict[str, Any]]] = [
    ("/from", {"from_": "billing@contoso.test"}),
    ("/from", {"from_": ["billing@contoso.test"]}),
    ("/from/email", {"from_": {"email": 5}}),
    ("/from/name", {"from_": {"email": "billing@contoso.test", "name": {}}}),
    ("/to", {"to": "ana@example.com"}),
    ("/to", {"to": {"email": "ana@example.com"}}),
    ("/to/0", {"to": ["ana@example.com"]}),
    ("/to/1/email", {"to": [{"email": "ana@example.com"}, {"email": None}]}),
    ("/cc", {"cc": 5}),
    ("/bcc", {"bcc": "x"}),
    ("/reply_to", {"reply_to": True}),
    ("/subject", {"subject": 5}),
    ("/text", {"text": ["x"]}),
    ("/html", {"html": 5}),
    ("/template", {"text": None, "template": "invoice"}),
    ("/template/data", {"text": None, "template": {"name": "invoice", "data": []}}),
    ("/attachments", {"attachments": {}}),
    ("/attachments/0", {"attachments": ["x"]}),
    ("/attachments/0/content", {"attachments": [{"name": "a", "content": 5}]}),
    ("/attachments/0/content", {"attachments": [{"name": "a", "content": ["QQ=="]}]}),
    ("/attachments/0/name", {"attachments": [{"name": 5, "content": ""}]}),
    ("/headers", {"headers": []}),
    ("/headers/X-A", {"headers": {"X-A": 5}}),
    ("/category", {"category": "spam"}),
    ("/category", {"category": 1}),
    ("/topic", {"topic": 5}),
    ("/priority", {"priority": "urgent"}),
    ("/send_at", {"send_at": {}}),
    ("/send_at", {"send_at": 1764576000}),
    ("/tags", {"tags": ["a"]}),
    ("/tags/a", {"tags": {"a": 1}}),
    ("/id", {"id": 5}),
]


@pytest.mark.parametrize(("field", "changes"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_named(field: str, changes: dict[str, Any]) -> None:
    problem_at(field, **changes)


def test_every_fault_is_told_at_once() -> None:
    refused = refusal(
        as_body(
            draft(to=[{"email": "no"}, {"email": "ana@example.com", "nam": "x"}], priority="x", n=1)
        )
    )
    assert [p.field for p in refused.problems] == ["/to/0/email", "/to/1/nam", "/priority", "/n"]


def test_what_is_missing_is_named() -> None:
    refused = refusal(b"{}")
    assert "/from" in [p.field for p in refused.problems]
    assert "content" in problem_at("/attachments/0", attachments=[{"name": "a"}]).fix


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("/subjcet", {"subjcet": "x"}),
        ("/from/mail", {"from_": {"email": "billing@contoso.test", "mail": "x"}}),
        ("/attachments/0/size", {"attachments": [{"name": "a", "content": "", "size": 1}]}),
        ("/sender", {"sender": {"email": "billing@contoso.test"}}),  # the model's own name
        ("/a~1b~0c", {"a/b~c": 1}),
        ("/[key]", {"[key]": 1}),
    ],
)
def test_an_unknown_field_is_refused_not_ignored(field: str, changes: dict[str, Any]) -> None:
    assert "openapi.json" in problem_at(field, **changes).fix


def test_a_caller_s_member_names_are_shown_bounded_and_without_controls() -> None:
    refused = refusal(as_body(draft(**{"x\r\nInjected: \x1b[31m" + "y" * 500: 1})))
    (problem,) = refused.problems
    assert problem.field.startswith("/x\ufffd\ufffdInjected: \ufffd[31my")
    assert len(problem.field) < 100
    assert problem.field.isprintable()


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("/to", '{"to": [{"email": "eve@example.com"}], %s'),
        ("/subject", '{"subject": "x", %s'),
        ("/attachments/0/name", '{"attachments": [{"name": "a", "name": "b", "content": ""}], %s'),
        ("/headers/X-A", '{"headers": {"X-A": "1", "X-A": "2"}, %s'),
        ("/tags/t", '{"tags": {"t": "1", "u": "2", "t": "1"}, %s'),
    ],
)
def test_a_member_given_twice_is_refused_for_the_last_would_win_silently(
    field: str, body: str
) -> None:
    refused = refusal((body % json.dumps(draft())[1:]).encode())
    assert [p.field for p in refused.problems] == [field]
    assert refused.problems[0].fix == "Give each member once."


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    body = json.dumps(draft(text=None, template={"name": "invoice", "data": {"n": ["N"]}}))
    refused = refusal(body.replace('"N"', number).encode())
    assert "finite" in refused.problems[0].fix


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("/to", {"to": []}),
        ("/to", {"to": None}),
        ("/text", {"text": None}),
        ("/text", {"text": "", "html": ""}),
        ("/template", {"template": {"name": "invoice"}}),
        ("/subject", {"subject": None}),
        ("/subject", {"subject": "   "}),
        ("/topic", {"category": "bulk"}),
        ("/to", {"category": "bulk", "topic": "news", "cc": [{"email": "bo@example.com"}]}),
        ("/topic", {"category": "bulk", "topic": "Not A Topic"}),
        ("/headers", {"headers": {"X-A": "1", "x-a": "2"}}),
        (
            "/attachments",
            {"attachments": [{"name": n, "content": "", "inline_id": "i"} for n in ("a", "b")]},
        ),
    ],
)
def test_what_does_not_hang_together_is_refused_at_its_field(
    field: str, changes: dict[str, Any]
) -> None:
    problem_at(field, **changes)


def test_a_bulk_message_to_one_recipient_with_a_topic_is_accepted() -> None:
    message = read(category="bulk", topic="product-news", cc=[{"email": "ANA@example.com"}])
    assert len(message.recipients) == 1  # the same address, in to and cc


@pytest.mark.parametrize(
    "value",
    ["2026-12-01T08:00:00", "2026-12-01 08:00", "2026-12-01", "tomorrow", "", "1764576000",
     "2026-13-01T08:00:00Z", "2026-12-01T25:00:00Z", "2026-12-01T08:00:00 Europe/Berlin",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-12-01T08:00:00+24:00"],
)  # fmt: skip
def test_a_time_without_zone_or_that_is_none_is_refused(value: str) -> None:
    assert "2026-12-01T08:00:00Z" in problem_at("/send_at", send_at=value).fix


@pytest.mark.parametrize(
    "value",
    ["2026-12-01T08:00:00Z", "2026-12-01T09:00:00+01:00", "2026-12-01T03:00:00-05:00",
     "2026-12-01t08:00:00.000z", "2026-12-01 08:00Z"],
)  # fmt: skip
def test_times_are_kept_in_utc(value: str) -> None:
    message = read(send_at=value)
    assert message.send_at is not None
    assert message.send_at.isoformat() == "2026-12-01T08:00:00+00:00"


@pytest.mark.parametrize(
    "content",
    ["QQ", "QQ=", "Q\nQ==", "QQ== ", "_-8=", "é", "====", "QQ==QQ==", "data:;base64,QQ=="],
)
def test_what_is_no_base64_is_refused(content: str) -> None:
    problem = problem_at("/attachments/0/content", attachments=[{"name": "a", "content": content}])
    assert "base64" in problem.fix


@pytest.mark.parametrize(
    "name",
    ["From", "TO", "Bcc", "Sender", "Subject", "Date", "Message-ID", "Return-Path", "Received",
     "MIME-Version", "Content-Type", "content-disposition", "DKIM-Signature", "List-Unsubscribe",
     "List-Unsubscribe-Post", "Reply-To", "Resent-From", "X-MS-Exchange-Organization-SCL",
     "X-Mailroom-Id", "Disposition-Notification-To", "Authentication-Results"],
)  # fmt: skip
def test_header_fields_that_are_mailroom_s_own_are_reserved(name: str) -> None:
    assert "Remove it" in problem_at(f"/headers/{name}", headers={name: "x"}).fix


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X-Ä", "X\tA", "X" * 77, "X-A\u00a0"])
def test_what_is_no_header_name_is_refused(name: str) -> None:
    refused = refusal(as_body(draft(headers={name: "x"})))
    assert refused.problems[0].field.startswith("/headers")
    assert "hyphens" in refused.problems[0].fix


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("/subject", {"subject": "x" * 501}),
        ("/from/name", {"from_": {"email": "billing@contoso.test", "name": "x" * 201}}),
        ("/to/0/email", {"to": [{"email": "x" * 400 + "@example.com"}]}),
        ("/attachments/0/name", {"attachments": [{"name": "x" * 201, "content": ""}]}),
        ("/headers/X-A", {"headers": {"X-A": "x" * 2001}}),
        ("/tags/a", {"tags": {"a": "x" * 201}}),
        ("/id", {"id": "x" * 101}),
        ("/topic", {"topic": "x" * 64}),
        ("/template/name", {"text": None, "template": {"name": "x" * 101}}),
        ("/to", {"to": [{"email": f"a{i}@example.com"} for i in range(1001)]}),
        ("/cc", {"cc": [{"email": f"a{i}@example.com"} for i in range(1001)]}),
        ("/bcc", {"bcc": [{"email": f"a{i}@example.com"} for i in range(1001)]}),
        ("/reply_to", {"reply_to": [{"email": f"a{i}@example.com"} for i in range(11)]}),
        ("/attachments", {"attachments": [{"name": "a", "content": ""}] * 101}),
        ("/headers", {"headers": {f"X-{i}": "1" for i in range(51)}}),
        ("/tags", {"tags": {str(i): "1" for i in range(21)}}),
    ],
)
def test_more_than_is_allowed_is_refused_at_its_field(field: str, changes: dict[str, Any]) -> None:
    problem = problem_at(field, **changes)
    assert "x" * 50 not in problem.detail


def test_a_thousand_recipients_are_a_message() -> None:
    assert len(read(to=[{"email": f"a{i}@example.com"} for i in range(1000)]).recipients) == 1000


def test_no_more_problems_are_listed_than_help() -> None:
    refused = refusal(as_body(draft(to=[{"email": "no"}] * 900)))
    assert len(refused.problems) == MAX_PROBLEMS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["from", "to", "email", "name", "text", "headers", "id", "x", "[key]"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@steady
@given(json_values)
def test_any_json_is_a_message_or_refused_with_advice(value: Any) -> None:
    with contextlib.suppress(InvalidMessageError):
        parse_message(as_body(value))
        return
    assert refusal(as_body(value)).status in (400, 422)


@steady
@given(st.binary(max_size=60))
def test_any_octets_are_refused(body: bytes) -> None:
    refusal(body)
