"""From a caller's JSON to the mail that the submission server holds, by every way in."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from email.message import Message as Mail

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.office365.mail import KeptMessage
from local.stack import LocalStack
from shared.attachments.names import safe_name
from shared.composing import ComposedMail
from tests.composing.reading import Mail as Reading
from tests.composing.reading import check_wire
from tests.end_to_end.caller import ALERTS, BILLING, Caller, Json, mail_of, mails_of, message
from tests.marks import marked_id
from tests.test_function_app import TRIGGERS

EXAMPLES = 25

# All of Unicode but what is refused: controls, half surrogate pairs, line separators and the two
# overrides of direction.
_characters = st.characters(
    exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\u202d\u202e"
)
_line = st.text(_characters, max_size=120).map(str.strip)
_text = st.text(st.one_of(_characters, st.sampled_from("\n\t.=- ")), min_size=1, max_size=400)
_file_name = (
    st.text(_characters, min_size=1, max_size=60)
    .map(lambda name: "".join(c for c in name if c not in '/\\:*?"<>|').strip())
    .filter(lambda name: name not in {"", ".", ".."})
)
_email = st.sampled_from(
    ["ana@example.com", "jörg@example.com", "ben@bücher.example", "o'neil+x@example.co.uk"]
)
_person = st.fixed_dictionaries({"email": _email, "name": _line})
_attachment = st.fixed_dictionaries(
    {
        "name": _file_name.map(lambda name: safe_name(f"{name}.bin")),
        "content": st.binary(max_size=2000).map(lambda data: base64.b64encode(data).decode()),
    }
)
_bodies = st.one_of(
    st.fixed_dictionaries({"text": _text}),
    st.fixed_dictionaries({"html": _text}),
    st.fixed_dictionaries({"text": _text, "html": _text}),
)
messages = st.builds(
    lambda fixed, bodies: fixed | bodies,
    st.fixed_dictionaries(
        {
            "from": st.fixed_dictionaries(
                {"email": st.sampled_from([BILLING, ALERTS]), "name": _line}
            ),
            "to": st.lists(_person, min_size=1, max_size=3, unique_by=lambda p: p["email"]),
            "subject": _line.filter(bool),
            "attachments": st.lists(_attachment, max_size=2),
        }
    ),
    _bodies,
)


def examples[T](strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """So many values of a strategy, the same in each run: they are sent together, not one by one,
    so there is nothing to shrink."""
    found: list[T] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    return found[:number]


def test_the_examples_are_what_they_are_meant_to_be() -> None:
    found = examples(messages, EXAMPLES)
    assert len(found) == EXAMPLES
    assert len({json.dumps(one) for one in found}) > EXAMPLES // 2
    assert any(one["attachments"] for one in found)
    assert not all(json.dumps(one, ensure_ascii=False).isascii() for one in found)


def canonical(text: str) -> str:
    """A body as mail carries it: one kind of line end, the last line ended."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"


def leaves(mail: Mail) -> list[Mail]:
    return [part for part in mail.walk() if not part.is_multipart()]


def payload(part: Mail) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def check_mail(kept: KeptMessage, sent: Json) -> None:
    """The mail says what the caller said: header, bodies, files; and stands on the wire as mail."""
    composed = ComposedMail(kept.content, smtputf8="SMTPUTF8" in kept.parameters)
    check_wire(composed)
    mail = Reading(composed)
    assert mail.text("Subject") == sent["subject"]
    for field, people in (("From", [sent["from"]]), ("To", sent["to"])):
        expected = [
            (person.get("name", ""), person["email"].replace("bücher", "xn--bcher-kva"))
            for person in people
        ]
        assert mail.addresses(field) == expected
    files = [part for part in leaves(mail.old) if part.get_content_disposition() == "attachment"]
    bodies = [part for part in leaves(mail.old) if part not in files]
    expected_bodies = {
        f"text/{subtype}": canonical(sent[name])
        for name, subtype in (("text", "plain"), ("html", "html"))
        if name in sent
    }
    assert {
        part.get_content_type(): payload(part).decode().replace("\r\n", "\n") for part in bodies
    } == expected_bodies
    assert [payload(part) for part in files] == [
        base64.b64decode(file["content"]) for file in sent.get("attachments", [])
    ]
    assert mail.old_file_names() == [file["name"] for file in sent.get("attachments", [])]


def check_sent(view: Json, kept: KeptMessage, sent: Json) -> None:
    """What Mailroom shows of a message fits what the server holds."""
    assert view["status"] == "sent"
    assert view["server_id"] == kept.message_id == view["message_id"]
    assert view["attempts"] == 1
    assert {recipient["status"] for recipient in view["recipients"]} == {"sent"}
    assert [recipient["email"] for recipient in view["recipients"]] == list(kept.addresses)
    assert kept.sender == sent["from"]["email"] == view["from"]
    assert kept.mailbox == view["mailbox"]
    assert [event["type"] for event in view["timeline"]] == ["accepted", "sent"]


async def test_unicode_arrives_unchanged_by_http(caller: Caller, stack: LocalStack) -> None:
    sent = examples(messages, EXAMPLES)
    ids = await asyncio.gather(*(caller.send(one) for one in sent))
    assert len(set(ids)) == EXAMPLES
    for message_id, one in zip(ids, sent, strict=True):
        view = await caller.finished(message_id)
        kept = mail_of(stack, message_id)
        check_sent(view, kept, one)
        check_mail(kept, one)


async def drop_plain(caller: Caller, sent: Json) -> None:
    await caller.drop(json.dumps(sent))


async def drop_base64(caller: Caller, sent: Json) -> None:
    await caller.drop(base64.b64encode(json.dumps(sent, ensure_ascii=False).encode()).decode())


async def drop_claim_check(caller: Caller, sent: Json) -> None:
    name = f"orders/{sent['id']}.json"
    await caller.write_blob(name, json.dumps(sent, ensure_ascii=False).encode())
    await caller.drop(json.dumps({"content_blob": name}))


async def test_unicode_arrives_unchanged_by_the_queue(caller: Caller, stack: LocalStack) -> None:
    ways = (drop_plain, drop_base64, drop_claim_check)
    sent = [
        {**one, "id": f"queued-{number}"} for number, one in enumerate(examples(messages, 3 * 3))
    ]
    for number, one in enumerate(sent):
        await ways[number % len(ways)](caller, one)
    for one in sent:
        view = await caller.until(one["id"], lambda view: view["status"] == "sent")
        assert view["source"] == "queue"
        kept = mail_of(stack, one["id"])
        check_sent(view, kept, one)
        check_mail(kept, one)


async def test_a_queue_message_needs_no_id(caller: Caller, stack: LocalStack) -> None:
    await caller.drop(json.dumps(message(subject="No id of its own")))
    kept = await stack.office365.wait_for(lambda kept: b"No id of its own" in kept.head)
    message_id = marked_id(kept.head)
    assert message_id is not None
    view = await caller.finished(message_id)
    check_sent(view, kept, message())


async def test_the_answer_says_where_to_ask(caller: Caller, stack: LocalStack) -> None:
    reply = await caller.post(message())
    assert reply.status == 202
    assert reply.headers["Content-Type"].startswith("application/json")
    answer = reply.json
    assert answer["status"] == "queued"
    assert answer["status_url"] == f"{stack.url}/messages/{answer['id']}"
    assert reply.headers["Location"] == answer["status_url"]
    view = await caller.finished(answer["id"])
    assert view["id"] == answer["id"]
    assert view["source"] == "http"


async def test_a_megabyte_and_an_image_arrive_whole(caller: Caller, stack: LocalStack) -> None:
    data = bytes(range(256)) * 4096
    image = {
        "name": "logo.png",
        "content_type": "image/png",
        "content": base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode(),
        "inline_id": "logo",
    }
    file = {"name": "all.bin", "content": base64.b64encode(data).decode()}
    sent = message(html='<img src="cid:logo" alt="">', attachments=[image, file])
    message_id = await caller.send(sent)
    await caller.finished(message_id)
    mail = Reading(ComposedMail(mail_of(stack, message_id).content, smtputf8=False))
    check_wire(mail.composed)
    by_type = {part.get_content_type(): part for part in mail.leaves()}
    assert payload(by_type["application/octet-stream"]) == data
    assert by_type["image/png"]["Content-ID"] == "<logo>"
    assert by_type["image/png"].get_content_disposition() == "inline"


async def test_blind_copies_stay_blind(caller: Caller, stack: LocalStack) -> None:
    sent = message(
        cc=[{"email": "cleo@example.com"}],
        bcc=[{"email": "hidden@example.com", "name": "Hidden"}],
        reply_to=[{"email": "answers@contoso.test"}],
        headers={"X-Contoso-Case": "77"},
    )
    message_id = await caller.send(sent)
    await caller.finished(message_id)
    kept = mail_of(stack, message_id)
    assert kept.addresses == ("ana@example.com", "cleo@example.com", "hidden@example.com")
    assert b"hidden" not in kept.content.lower()
    mail = Reading(ComposedMail(kept.content, smtputf8=False))
    assert mail.addresses("Cc") == [("", "cleo@example.com")]
    assert mail.addresses("Reply-To") == [("", "answers@contoso.test")]
    assert mail.text("X-Contoso-Case") == "77"


async def test_each_recipient_has_its_own_status(caller: Caller, stack: LocalStack) -> None:
    people = ["ana@example.com", "unknown@example.com", "ben@example.com"]
    message_id = await caller.send(message(to=[{"email": person} for person in people]))
    view = await caller.finished(message_id)
    assert view["status"] == "sent"
    assert [(r["email"], r["status"], r["code"]) for r in view["recipients"]] == [
        ("ana@example.com", "sent", "2.0.0"),
        ("unknown@example.com", "rejected", "5.1.10"),
        ("ben@example.com", "sent", "2.0.0"),
    ]
    assert mail_of(stack, message_id).addresses == ("ana@example.com", "ben@example.com")
    rejected = next(event for event in view["timeline"] if event["type"] == "rejected")
    assert rejected["recipients"] == ["unknown@example.com"]
    assert "correct it" in rejected["detail"]


async def test_a_message_that_everyone_refuses_fails(caller: Caller, stack: LocalStack) -> None:
    # Whom another test has met before is suppressed by now.
    message_id = await caller.send(message(to=[{"email": "unknown@elsewhere.example"}]))
    view = await caller.finished(message_id)
    assert view["status"] == "failed"
    assert view["detail"].startswith("550 5.1.10")
    assert "No such address" in view["fix"]
    assert mails_of(stack, message_id) == []


async def test_a_scheduled_message_waits_for_its_time(caller: Caller, stack: LocalStack) -> None:
    send_at = datetime.now(UTC) + timedelta(seconds=2)
    by_http = await caller.post(message(send_at=send_at.isoformat()))
    assert by_http.json["status"] == "scheduled"
    queued = message(send_at=send_at.isoformat(), id="scheduled-by-queue")
    await caller.drop(json.dumps(queued))
    waiting = await caller.until("scheduled-by-queue", lambda _: True)
    assert waiting["status"] == "scheduled"
    for message_id in (by_http.json["id"], "scheduled-by-queue"):
        view = await caller.finished(message_id)
        assert view["status"] == "sent"
        assert datetime.fromisoformat(view["send_at"]) == send_at
        late = mail_of(stack, message_id).received_at - send_at
        assert timedelta(0) <= late < timedelta(seconds=10)


async def test_the_submission_server_is_spoken_to_as_it_should_be(
    caller: Caller, stack: LocalStack
) -> None:
    """TLS, the size declared before the data, and what a delivery status notification needs."""
    message_id = await caller.send(message())
    await caller.finished(message_id)
    kept = mail_of(stack, message_id)
    assert kept.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert kept.parameters["ENVID"].startswith(f"{message_id}.")
    assert kept.parameters | {"ENVID": ""} == {"SIZE": str(kept.size), "RET": "HDRS", "ENVID": ""}
    [recipient] = kept.recipients
    assert recipient.parameters == {
        "NOTIFY": "FAILURE,DELAY",
        "ORCPT": "rfc822;ana@example.com",
    }
    # Of all that was sent so far: never more than three sessions a mailbox, used again and again.
    counters = stack.office365.counters
    assert max(counters.concurrent_max.values()) <= 3
    assert counters.over_limit["concurrent_connections"] == 0
    assert counters.tls_handshakes < counters.messages


async def test_the_state_of_each_dependency_is_told(caller: Caller) -> None:
    reply = await caller.request("GET", "health/dependencies")
    assert reply.status == 200
    dependencies = reply.json["dependencies"]
    assert dependencies.keys() == {"tables", "queues", "blobs", "token", "submission"}
    assert all(state["status"] == "ok" for state in dependencies.values())
    assert all(0 <= state["latency_ms"] < 15_000 for state in dependencies.values())


async def test_the_api_describes_itself(caller: Caller) -> None:
    reply = await caller.request("GET", "openapi.json", headers={"x-functions-key": ""})
    assert reply.status == 200
    assert reply.json["openapi"].startswith("3.1")
    described = {
        (method.upper(), path)
        for path, operations in reply.json["paths"].items()
        for method in operations
    }
    served = {
        (method, f"/{route}")
        for _, kind, what, _ in TRIGGERS if kind == "http"
        for *methods, route in [what.split()]
        for method in methods
    }  # fmt: skip
    assert served - described == {
        ("HEAD", "/files/{token}"), ("HEAD", "/unsubscribe/{token}"), ("GET", "/pages/{name}"),
    }  # fmt: skip
    assert described - served == set()
