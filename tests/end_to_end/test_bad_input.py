"""Whatever is sent instead of a message: a clear refusal, nothing lost, nothing sent."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.stack import LocalStack
from tests.end_to_end.caller import Caller, Json, Reply, mails_of, message

# Every message here has a recipient that no mail may ever reach.
NOBODY = "must-get-nothing@example.com"
INJECTED = "\r\nBcc: must-get-nothing@example.com"


def bad(**changes: Any) -> Json:
    return message(**({"to": [{"email": NOBODY}]} | changes))


def without(name: str) -> Json:
    return {key: value for key, value in bad().items() if key != name}


def file(**changes: str) -> list[Json]:
    return [{"name": "a.txt", "content": "YQ==", **changes}]


def people(number: int, domain: str = "example.com") -> list[Json]:
    return [{"email": NOBODY}] + [{"email": f"p{n}@{domain}"} for n in range(1, number)]


# What is sent, and the places (JSON pointers, RFC 6901) of the faults that the answer must name.
REFUSED: dict[str, tuple[Json, set[str]]] = {
    # Wrong types
    "to is a string": (bad(to="ana@example.com"), {"/to"}),
    "to holds strings": (bad(to=["ana@example.com"]), {"/to/0"}),
    "subject is a number": (bad(subject=1042), {"/subject"}),
    "subject is null": (bad(subject=None), {"/subject"}),
    "text is a list": (bad(text=["Hello"]), {"/text"}),
    "from is a list": (bad(**{"from": []}), {"/from"}),
    "headers is a list": (bad(headers=[]), {"/headers"}),
    "a header is a number": (bad(headers={"X-Case": 77}), {"/headers/X-Case"}),
    "tags hold an object": (bad(tags={"a": {}}), {"/tags/a"}),
    "a number that is none": (bad(tags={"a": float("nan")}), {""}),
    "attachments is an object": (bad(attachments={}), {"/attachments"}),
    "send_at is no time": (bad(send_at="soon"), {"/send_at"}),
    "send_at is a number": (bad(send_at=1796112000), {"/send_at"}),
    "send_at has no zone": (bad(send_at="2026-12-01T08:00:00"), {"/send_at"}),
    "send_at is years away": (bad(send_at="2099-12-01T08:00:00Z"), {"/send_at"}),
    "category is unknown": (bad(category="spam"), {"/category"}),
    "priority is unknown": (bad(priority="urgent!"), {"/priority"}),
    # What is missing, too much, or contradicts itself
    "no sender": (without("from"), {"/from"}),
    "no recipient": (without("to"), {"/to"}),
    "no content": (without("text"), {"/text"}),
    "no subject": (without("subject"), {"/subject"}),
    "a field that is none": (bad(subjcet="typo"), {"/subjcet"}),
    "an id": (bad(id="only-for-queues"), {"/id"}),
    "a template and text": (bad(template={"name": "invoice"}), {"/template"}),
    "bulk without a topic": (bad(category="bulk"), {"/topic"}),
    "two headers of one name": (bad(headers={"X-A": "1", "x-a": "2"}), {"/headers"}),
    "an unknown sender": (
        bad(**{"from": {"email": "ceo@contoso.test"}}), {"/from/email"},
    ),
    "an unknown template": (
        without("text") | {"template": {"name": "no-such-template"}}, {"/template/name"},
    ),
    "a template's path": (
        without("text") | {"template": {"name": "../secrets"}}, {"/template/name"},
    ),
    "1,001 recipients": (bad(to=people(1001)), {"/to"}),
    "1,001 recipients in three fields": (
        bad(to=people(400), cc=people(400, "cc.example"), bcc=people(203, "bcc.example")), {"/to"},
    ),
    "501 recipients": (bad(to=people(501)), {"/to"}),
    # Files
    "bad base64": (bad(attachments=file(content="not base64!")), {"/attachments/0/content"}),
    "base64 without its padding": (bad(attachments=file(content="YQ")), {"/attachments/0/content"}),
    "base64 of another kind": (bad(attachments=file(content="_-8=")), {"/attachments/0/content"}),
    "a file's path": (bad(attachments=file(name="../a.txt")), {"/attachments/0/name"}),
    "a message as a file": (
        bad(attachments=file(content_type="message/rfc822")), {"/attachments/0/content_type"},
    ),
    "larger than allowed": (bad(text="a line of text\n" * 450_000), {""}),
    # Headers that are Mailroom's own to write
    **{
        f"the header {name}": (bad(headers={name: "x"}), {f"/headers/{name}"})
        for name in ("Bcc", "From", "Content-Type", "message-id", "X-MS-Exchange-Organization-SCL")
    },
    # Addresses
    **{
        f"the address {address!r}": (bad(to=[{"email": address}]), {"/to/0/email"})
        for address in (
            "ana", "ana@", "@example.com", "ana@example", "ana@@example.com", "a b@example.com",
            "Ana <ana@example.com>", "ana@example.com, ben@example.com", "ana\0@example.com",
            "ana@example.com\n", "ana\x7f@example.com", "ana@exa\tmple.com", "ana\x85@example.com",
            "ana\u2028@example.com", "ana@example.com>\r\nRCPT TO:<" + NOBODY,
            "ana@" + "a" * 64 + ".org", "ana@[127.0.0.1]", "a" * 65 + "@x.org", "",
        )
    },
}  # fmt: skip

# Each place of a message whose text gets into a header field, an envelope or a name.
INJECTIONS: dict[str, Json] = {
    "/from/email": bad(**{"from": {"email": f"billing@contoso.test{INJECTED}"}}),
    "/from/name": bad(**{"from": {"email": "billing@contoso.test", "name": f"A{INJECTED}"}}),
    **{
        f"/{field}/0/{part}": bad(**{field: [{"email": "a@example.com"} | {part: text}]})
        for field in ("to", "cc", "bcc", "reply_to")
        for part, text in (("email", f"a@example.com{INJECTED}"), ("name", f"A{INJECTED}"))
    },
    "/subject": bad(subject=f"Hello{INJECTED}"),
    "/headers/X-Case": bad(headers={"X-Case": f"77{INJECTED}"}),
    "/headers/X: a\ufffd\ufffdBcc": bad(headers={"X: a\r\nBcc": NOBODY}),
    "/attachments/0/name": bad(attachments=file(name=f"a.txt{INJECTED}")),
    "/attachments/0/content_type": bad(attachments=file(content_type=f"text/csv{INJECTED}")),
    "/attachments/0/inline_id": bad(attachments=file(inline_id=f"logo{INJECTED}")),
    "/template/name": without("text") | {"template": {"name": f"invoice{INJECTED}"}},
    "/topic": bad(category="bulk", topic=f"news{INJECTED}"),
    "/tags/a": bad(tags={"a": f"77{INJECTED}"}),
    "/category": bad(category=f"bulk{INJECTED}"),
    "/send_at": bad(send_at=f"2026-12-01T08:00:00Z{INJECTED}"),
}

UNREADABLE = {
    "nothing": b"",
    "no JSON": b"Hello",
    "half of it": json.dumps(bad()).encode()[:-20],
    "two of them": json.dumps(bad()).encode() * 2,
    "no UTF-8": json.dumps(bad()).encode().replace(b"Gr", b"\xff\xfe"),
    "UTF-16": json.dumps(bad()).encode("utf-16"),
    "half a surrogate pair": json.dumps(bad(subject="\ud800")).encode(),
    "10 MB of arrays": b"[" * 10_000_000,
    "10 MB of objects": b'{"to":' * 1_700_000,
    "10 MB of nesting in a field": b'{"template":{"name":"a","data":' + b'{"a":' * 2_000_000,
}
NOT_AN_OBJECT = {"an array": [bad()], "a string": "Hello", "null": None, "a number": 1042}


def check_problem(reply: Reply, status: int) -> None:
    """RFC 9457, with a fix for each fault, and nothing of what was sent in it."""
    assert reply.status == status, reply.text
    assert reply.is_problem
    problem = reply.json
    assert problem["status"] == status
    assert problem["type"].startswith("urn:mailroom:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert problem.get("fix") or all(error["fix"] for error in problem["errors"])
    assert NOBODY not in reply.text
    assert "pydantic" not in reply.text
    assert "Traceback" not in reply.text
    assert len(reply.text) < 20_000


@pytest.fixture(scope="module", autouse=True)
async def nothing_sent(stack: LocalStack) -> AsyncIterator[None]:
    """After all of it: no mail has reached the address, nor come by another way."""
    yield
    reached = [kept.number for kept in stack.office365.messages if NOBODY in kept.addresses]
    assert reached == []


@pytest.mark.parametrize("what", REFUSED)
async def test_a_message_that_is_none_is_refused(caller: Caller, what: str) -> None:
    sent, pointers = REFUSED[what]
    reply = await caller.post(sent)
    check_problem(reply, 422)
    assert reply.pointers == pointers


@pytest.mark.parametrize("pointer", INJECTIONS)
async def test_no_field_lets_a_line_break_in(caller: Caller, pointer: str) -> None:
    reply = await caller.post(INJECTIONS[pointer])
    check_problem(reply, 422)
    assert reply.pointers == {pointer}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_is_no_json_is_refused(caller: Caller, what: str) -> None:
    reply = await caller.post(UNREADABLE[what])
    check_problem(reply, 400)
    assert "200 levels" in reply.json["errors"][0]["fix"]


@pytest.mark.parametrize("what", NOT_AN_OBJECT)
async def test_what_is_no_object_is_refused(caller: Caller, what: str) -> None:
    reply = await caller.post(NOT_AN_OBJECT[what])
    check_problem(reply, 422)
    assert reply.json["errors"] == [
        {"pointer": "", "detail": "It is not an object.", "fix": "Send a JSON object."}
    ]


async def test_a_body_of_another_kind_is_refused(caller: Caller) -> None:
    reply = await caller.request("POST", "messages", data="to=ana", headers={})
    check_problem(reply, 415)
    assert "application/json" in reply.json["errors"][0]["fix"]


async def test_a_huge_body_is_refused(caller: Caller) -> None:
    """Twice the size limit is the most that JSON could need for a message within it."""
    reply = await caller.post(b" " * (12 * 1024 * 1024 + 1))
    check_problem(reply, 413)
    assert "12582912 are allowed" in reply.json["errors"][0]["detail"]


async def test_all_faults_are_told_at_once_but_not_thousands(caller: Caller) -> None:
    reply = await caller.post(bad(subject=1, text=2, to=[{"email": "x"}] * 900))
    check_problem(reply, 422)
    assert len(reply.json["errors"]) == 50


@pytest.mark.parametrize("key", ["", " ", "two words", "ключ", "x" * 201, '""', "tab\tbed"])
async def test_an_idempotency_key_that_is_none_is_refused(caller: Caller, key: str) -> None:
    reply = await caller.post(bad(), key)
    check_problem(reply, 400)
    assert reply.pointers == {"Idempotency-Key"}


async def test_a_refused_message_takes_no_key(caller: Caller) -> None:
    assert (await caller.post(bad(subject=1), "used-once")).status == 422
    reply = await caller.post(message(), "used-once")
    assert reply.status == 202
    await caller.finished(reply.json["id"])


@pytest.mark.parametrize("headers", [{"x-functions-key": ""}, {"x-functions-key": "wrong"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "messages"), ("GET", "messages/1"), ("GET", "health/dependencies")],
)
async def test_without_the_key_nothing_is_done(
    caller: Caller, method: str, path: str, headers: dict[str, str]
) -> None:
    body = json.dumps(bad()) if method == "POST" else None
    reply = await caller.request(method, path, data=body, headers=headers)
    assert (reply.status, reply.text) == (401, "")


@pytest.mark.parametrize(
    "message_id", ["0" * 32, "no-such-id", "%00", "..%2Fsecrets", "'%20or%201%20eq%201", "x" * 500]
)
async def test_an_unknown_id_is_not_found(caller: Caller, message_id: str) -> None:
    reply = await caller.request("GET", f"messages/{message_id}")
    check_problem(reply, 404)


# By the queue

NESTED = '{"content_blob":' + '{"a":' * 10_000
DROPPED: dict[str, tuple[str, str]] = {
    # What is dropped, and a part of the reason that must be recorded.
    "no JSON": ("Hello", "Invalid JSON"),
    "half of it": (json.dumps(bad())[:-20], "Invalid JSON"),
    "base64 of no JSON": (base64.b64encode(b"Hello, you").decode(), "Invalid JSON"),
    "base64 of no text": (base64.b64encode(bytes(range(256))).decode(), "Invalid JSON"),
    "half of base64": (base64.b64encode(json.dumps(bad()).encode()).decode()[:-3], "Invalid JSON"),
    "an array": (json.dumps([bad()]), "not an object"),
    "wrong types": (json.dumps(bad(id="bad-types", to="ana")), "/to: It is not an array"),
    "a line break": (json.dumps(bad(subject=f"Hello{INJECTED}")), "/subject: It holds a line"),
    "a bad address": (json.dumps(bad(to=[{"email": "ana@"}])), "/to/0/email"),
    "an unknown sender": (json.dumps(bad(**{"from": {"email": "ceo@contoso.test"}})), "senders"),
    "an unknown template": (
        json.dumps(without("text") | {"template": {"name": "none"}}), "no template named none",
    ),
    "bad base64": (json.dumps(bad(attachments=file(content="?"))), "not valid base64"),
    "501 recipients": (json.dumps(bad(to=people(501))), "501 recipients"),
    "1,001 recipients": (json.dumps(bad(to=people(1001))), "/to"),
    "an id that is none": (json.dumps(bad(id="two words")), "/id"),
    "a number as id": (json.dumps(bad(id=1042)), "/id"),
    "60 KB of nesting": ("[" * 60_000, "Invalid JSON"),
    "60 KB of nesting around a blob": (NESTED, "Invalid JSON"),
    "a field of 60 KB": (json.dumps(bad(topic="x" * 60_000)), "/topic"),
    "a blob that is not there": ('{"content_blob": "no/such.json"}', "There is no blob"),
    "a blob and more": ('{"content_blob": "bad.json", "to": []}', "other members"),
    "a blob without a name": ('{"content_blob": ""}', "not the name of a blob"),
    "a blob's name that is too long": (
        json.dumps({"content_blob": "x" * 60_000}), "not the name of a blob",
    ),
    "a blob in another container": (
        '{"content_blob": "../mail-templates/a"}', "not the name of a blob",
    ),
    "a blob's name with controls": (
        json.dumps({"content_blob": "a\0b\r\nc"}), "not the name of a blob",
    ),
    "a blob that is no message": ('{"content_blob": "bad.json"}', "/subject"),
    "a blob with an id that is none": ('{"content_blob": "good.json", "id": 7}', "not an id"),
}  # fmt: skip


@pytest.fixture(scope="module")
async def poisoned(caller: Caller) -> dict[str, Json]:
    """What became of each: all are dropped together, and found again by their original."""
    await caller.write_blob("bad.json", json.dumps(bad(subject=1)).encode())
    await caller.write_blob("good.json", json.dumps(bad()).encode())
    await asyncio.gather(*(caller.drop(text) for text, _ in DROPPED.values()))
    found = [json.loads(text) for text in await caller.poisoned(len(DROPPED))]
    originals = {original(one): one for one in found}
    return {
        what: originals[form]
        for what, (text, _) in DROPPED.items()
        for form in (text.encode(), _decoded(text))
        if form in originals
    }


def original(poison: Json) -> bytes:
    """What was dropped, byte for byte."""
    return base64.b64decode(poison["original"])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


@pytest.mark.parametrize("what", DROPPED)
async def test_a_queue_message_that_is_none_goes_to_poison_with_its_reason(
    caller: Caller, stack: LocalStack, poisoned: dict[str, Json], what: str
) -> None:
    poison = poisoned[what]
    _, reason = DROPPED[what]
    assert reason in poison["reason"]
    assert all(problem["fix"] for problem in poison["problems"])
    view = await caller.view(poison["message_id"])
    assert view is not None
    assert view["status"] == "failed"
    assert reason in view["detail"]
    assert view["finished_at"]
    assert mails_of(stack, poison["message_id"]) == []
