"""Names and hashes: the same for the same message, and valid wherever they stand."""

import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.composing import compose, encoded_size
from shared.errors import InvalidMessageError
from shared.messages.identity import (
    content_hash,
    envelope_id,
    has_tag,
    is_message_id,
    keyed_message_id,
    message_id_header,
    new_message_id,
    new_tag,
    queue_reference,
    read_envelope_id,
    read_idempotency_key,
    read_message_id_header,
    read_queue_reference,
)
from shared.messages.parsing import message_json, parse_message
from tests.messages.drafts import as_body, draft, drafts, instant, read, steady

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99}", fullmatch=True)
# RFC 5322 section 3.6.4 without its obsolete forms: dot-atom-text on both sides.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
few = settings(steady, max_examples=50)
MESSAGE_ID = re.compile(rf"<{ATOM}(\.{ATOM})*@{ATOM}(\.{ATOM})*>")


@few
@given(drafts())
def test_a_message_survives_its_canonical_json(whole: dict[str, Any]) -> None:
    message = parse_message(as_body(whole))
    canonical = message_json(message)
    again = parse_message(canonical)
    assert again == message
    assert message_json(again) == canonical
    assert content_hash(again) == content_hash(message)
    if "send_at" in whole:
        assert message.send_at == instant(whole["send_at"])


@few
@given(drafts())
def test_what_is_accepted_can_be_composed(whole: dict[str, Any]) -> None:
    whole.pop("template", None)
    whole.setdefault("subject", "x")
    whole.setdefault("text", "x")
    message = parse_message(as_body(whole))
    mail = compose(
        message,
        message_id=message_id_header(whole.get("id", "a1"), message.sender.email),
        date=instant("2026-11-02T12:00:00Z"),
    )
    assert mail.size <= encoded_size(message)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(list(value))}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@few
@given(drafts())
def test_the_hash_does_not_depend_on_the_order_of_members(whole: dict[str, Any]) -> None:
    one, other = parse_message(as_body(whole)), parse_message(as_body(reordered(whole)))
    assert one == other
    assert content_hash(one) == content_hash(other)


def test_the_hash_depends_on_everything_else() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"subject": "Other"}, {"text": "Other"}, {"html": "<p>"}, {"priority": "low"},
        {"to": [{"email": "bo@example.com"}]}, {"cc": [{"email": "bo@example.com"}]},
        {"bcc": [{"email": "bo@example.com"}]}, {"tags": {"a": "b"}}, {"tags": {"b": "a"}},
        {"headers": {"X-A": "1"}}, {"send_at": "2026-12-01T08:00:00Z"}, {"id": "1"},
        {"attachments": [{"name": "a", "content": ""}]},
        {"attachments": [{"name": "a", "content": "QQ=="}]},
    ]  # fmt: skip
    assert len({content_hash(read(**change)) for change in changes}) == len(changes)
    assert content_hash(read(send_at="2026-12-01T09:00:00+01:00")) == content_hash(
        read(send_at="2026-12-01T08:00:00Z")
    )


def test_the_hash_is_the_same_on_every_day() -> None:
    message = read(id="order:77", tags={"b": "2", "a": "1"}, headers={"X-B": "1", "X-A": "2"})
    expected = "63c4bd9abeda43fbe80e4ade8d631254b6419a27fc79c66270230d659be69894"
    assert content_hash(message) == expected


@steady
@given(IDS, st.sampled_from(["billing@contoso.test", '"a b"@contoso.test', "用户@xn--r8jz45g.jp"]))
def test_the_message_id_header_is_one_whatever_the_id(message_id: str, sender: str) -> None:
    header = message_id_header(message_id, sender)
    assert MESSAGE_ID.fullmatch(header)
    assert header.endswith(f"@{sender.rpartition('@')[2]}>")
    assert header == message_id_header(message_id, sender)
    assert len(header) < 250
    assert (read_message_id_header(header), has_tag(header)) == (message_id, False)


@steady
@given(IDS)
def test_a_tag_makes_it_one_that_nobody_can_guess(message_id: str) -> None:
    tag = new_tag()
    header = message_id_header(message_id, "billing@contoso.test", tag=tag)
    assert MESSAGE_ID.fullmatch(header)
    assert (read_message_id_header(header), has_tag(header)) == (message_id, True)
    written = envelope_id(message_id, header)
    if written:
        assert tag in written
        assert message_id in read_envelope_id(written)
    else:
        assert len(message_id) > 50


@pytest.mark.parametrize("tag", ["", "a" * 16])
def test_no_id_makes_a_message_id_look_as_if_it_had_a_tag(tag: str) -> None:
    for forged in (f"x.{'a' * 16}.t-", f"x.{'a' * 16}.t-mailroom", f"x.{'a' * 16}"):
        header = message_id_header(forged, "billing@contoso.test", tag=tag)
        assert (read_message_id_header(header), has_tag(header)) == (forged, bool(tag))


@pytest.mark.parametrize(
    "header",
    ["", "<>", "<a@b>", "<a.mailroom>", "<.mailroom@x>", "<a b.mailroom@x>", "<a%.mailroom@x>",
     "<!!!.mailroom32@x>", "<a.mailroom@x", "<8.mailroom32@x>", "<" + "a" * 300 + ".mailroom@x>"],
)  # fmt: skip
def test_what_is_no_message_id_of_ours(header: str) -> None:
    assert read_message_id_header(header) is None


def test_other_ids_have_other_message_id_headers() -> None:
    ids = ["a", "A", "a.b", "a..b", "a.", "a:b", "a@b", "a+b@c:d=e", "order-77"]
    assert len({message_id_header(one, "billing@contoso.test") for one in ids}) == len(ids)


def test_new_ids_are_unlike_and_sort_by_time() -> None:
    ids = [new_message_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(is_message_id(one) and uuid.UUID(one).version == 7 for one in ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)


def test_keyed_ids_follow_from_caller_and_key() -> None:
    assert keyed_message_id("", "order-77") == keyed_message_id("", "order-77")
    others = {keyed_message_id(c, k) for c, k in [("", "ab"), ("a", "b"), ("", "a"), ("ab", "")]}
    assert len(others) == 4
    assert all(is_message_id(one) for one in others)
    assert keyed_message_id("", "order-77") == "d43fee95982f53c584634ac6ecf386a2"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("order-77", "order-77"),
        ("  order-77\t", "order-77"),
        ('"order-77"', "order-77"),
        ('"', '"'),
        ('"a"b"', 'a"b'),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("~" * 200, "~" * 200),
    ],
)
def test_an_idempotency_key_comes_bare_or_quoted(header: str | None, key: str | None) -> None:
    assert read_idempotency_key(header) == key


@pytest.mark.parametrize(
    "header", ["", " ", '""', "a b", '"a b"', "é", "a\x00b", "x" * 201, "a\r\nb"]
)
def test_other_idempotency_keys_are_refused(header: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        read_idempotency_key(header)
    assert refused.value.status == 400
    (problem,) = refused.value.problems
    assert problem.field == "Idempotency-Key"
    assert "UUID" in problem.fix


@steady
@given(IDS)
def test_a_queue_reference_is_read_back(message_id: str) -> None:
    assert is_message_id(message_id)
    reference = queue_reference(message_id)
    assert json.loads(reference) == {"recorded": message_id}
    assert read_queue_reference(reference.encode()) == message_id


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"recorded":""}', b'{"recorded":"a/b"}', b'{"recorded":"a","x":1}',
     b'{"recorded":5}', b'{"recorded":".a"}', b'{"recorded":"' + b"x" * 101 + b'"}',
     b'{"recorded":"a\\u0000"}', json.dumps(draft()).encode()],
)  # fmt: skip
def test_anything_else_is_no_queue_reference(body: bytes) -> None:
    assert read_queue_reference(body) is None


@pytest.mark.parametrize(
    "text", ["", "-a", "a/b", "a b", "a?b", "a#b", "a\\b", "ä", "a\n", "x" * 101]
)
def test_what_is_no_message_id(text: str) -> None:
    assert not is_message_id(text)
