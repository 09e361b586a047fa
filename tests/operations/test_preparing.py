"""From a post to the mail: templates, files, links, lint and the guard on the whole application."""

import base64
import json
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from tests.operations.conftest import (
    BILLING,
    URL,
    Json,
    Office,
    OpenOffice,
    message,
    pointers,
    read,
)
from tests.templates.sources import make_bundle, text

JSON = {"content-type": "application/json"}
CARD = "4111 1111 1111 1111"


async def publish(office: Office, name: str = "greeting", **changes: Any) -> None:
    bundle = make_bundle(
        text("Hello {{ data.name }}, number {{ data.number }}."),
        subject="For {{ data.name }}",
        sample={"name": "Ana", "number": 1},
        schema={
            "type": "object",
            "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
            "required": ["name", "number"],
        },
        **changes,
    )
    body = json.dumps({"files": dict(bundle.files)}).encode()
    answer = await office.app.templates.put(name, body, JSON)
    assert answer.status in {200, 201}, answer.body
    answer = await office.app.templates.publish(name, b"", JSON)
    assert answer.status == 200, answer.body


async def post(office: Office, key: str = "", **changes: Any) -> Any:
    headers = JSON | ({"idempotency-key": key} if key else {})
    whole = {name: value for name, value in message(**changes).items() if value is not None}
    return await office.app.messages.post(json.dumps(whole).encode(), headers, URL)


def templated(**data: Any) -> Json:
    return {"subject": None, "text": None, "template": {"name": "greeting", "data": data}}


def mail_of(office: Office, message_id: str) -> EmailMessage:
    [kept] = office.mails(message_id)
    return message_from_bytes(kept.content, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


async def test_a_template_makes_the_mail_and_its_version_is_recorded(office: Office) -> None:
    await publish(office)
    answer = await post(office, **templated(name="Zoë <b>", number=7))
    assert answer.status == 202, answer.body
    message_id = read(answer)["id"]
    await office.deliver()
    view = await office.view(message_id)
    assert (view["status"], view["template"]) == ("sent", "greeting@1")
    mail = mail_of(office, message_id)
    assert mail["Subject"] == "For Zoë <b>"
    assert "Hello Zoë &lt;b&gt;, number 7." in part(mail, "html")
    assert "Hello Zoë <b>, number 7." in part(mail, "plain")


async def test_a_repeated_post_gets_what_the_first_one_made(office: Office) -> None:
    await publish(office)
    first = read(await post(office, key="one", **templated(name="Ana", number=1)))
    await publish(office, texts={"en": {"new": "files"}})
    again = read(await post(office, key="one", **templated(name="Ana", number=1)))
    assert again["id"] == first["id"]
    assert (await office.view(first["id"]))["template"] == "greeting@1"
    other = await post(office, key="one", **templated(name="Ben", number=1))
    assert other.status == 409


@pytest.mark.parametrize(
    ("template", "pointer"),
    [
        ({"name": "nowhere"}, "/template/name"),
        ({"name": "greeting", "data": {"name": 5, "number": 1}}, "/template/data/name"),
        ({"name": "greeting", "data": {"name": "Ana"}}, "/template/data"),
    ],
)
async def test_what_cannot_be_rendered_is_refused_by_its_field(
    office: Office, template: Json, pointer: str
) -> None:
    await publish(office)
    answer = await post(office, subject=None, text=None, template=template)
    assert answer.status == 422
    assert {p.removesuffix("/number") for p in pointers(answer)} == {pointer}
    assert await office.take() == []


async def test_bulk_by_its_template_alone_needs_what_bulk_needs(office: Office) -> None:
    definition = {
        "languages": ["en"], "default_language": "en", "category": "bulk", "topic": "news",
        "subject": {"en": "News"}, "preheader": {"en": ""},
    }  # fmt: skip
    await publish(office, files={"template.json": json.dumps(definition)})
    use = templated(name="Ana", number=1)
    two = [{"email": "a@example.com"}, {"email": "b@example.com"}]
    assert pointers(await post(office, to=two, **use)) == {"/to"}
    answer = await post(office, **use)
    view = await office.view(read(answer)["id"])
    assert (view["category"], view["topic"]) == ("bulk", "news")


async def test_what_the_guard_holds_waits_for_somebody(office: Office) -> None:
    answer = await post(office, text=f"Card {CARD}", key="held")
    assert answer.status == 202
    accepted = read(answer)
    assert accepted["status"] == "held"
    assert read(await post(office, text=f"Card {CARD}", key="held"))["status"] == "held"
    assert await office.deliver() == 0
    view = await office.view(accepted["id"])
    assert view["findings"][0]["rule"] == "payment-card"
    assert CARD not in json.dumps(view)
    decision = json.dumps({"by": "Olga", "why": "A test number"}).encode()
    released = await office.app.held.release(accepted["id"], decision, JSON)
    assert released.status == 200, released.body
    await office.deliver()
    assert CARD in part(mail_of(office, accepted["id"]), "plain")


async def test_what_the_settings_block_is_refused_with_its_place(open_office: OpenOffice) -> None:
    office = open_office(
        MAILROOM_GUARD='{"actions": {"payment-card": "block"}}',
        MAILROOM_LINT='{"link-http": "block"}',
    )
    answer = await post(office, text=f"Card {CARD}")
    assert (answer.status, pointers(answer)) == (422, {"/text"})
    assert CARD.encode() not in answer.body
    answer = await post(office, html='<p><a href="http://contoso.test/">Read on</a></p>')
    assert (answer.status, pointers(answer)) == (422, {"/html"})


async def test_a_file_by_link_with_a_code(open_office: OpenOffice) -> None:
    office = open_office(MAILROOM_PUBLIC_URL="https://mail.contoso.test")
    content = base64.b64encode(b"%PDF-1.7 salaries").decode()
    file = {"name": "a.pdf", "content_type": "application/pdf", "content": content}
    answer = await post(office, attachments=[file | {"deliver": "link", "code": True}])
    assert answer.status == 202, answer.body
    assert await office.deliver() == 2
    main = mail_of(office, read(answer)["id"])
    assert "https://mail.contoso.test/api/files/" in part(main, "plain")
    assert list(main.iter_attachments()) == []
    mails = [message_from_bytes(m.content, policy=policy.default)
             for m in office.services.office365.messages]  # fmt: skip
    codes = [m for m in mails if "a.pdf" in str(m["Subject"])]
    assert "/api/files/" not in part(codes[-1], "plain")


async def test_links_need_an_address_of_ones_own(office: Office) -> None:
    file = {"name": "a.txt", "content": base64.b64encode(b"text").decode(), "deliver": "link"}
    assert pointers(await post(office, attachments=[file])) == {"/attachments/0/deliver"}


async def test_an_executable_in_disguise_is_refused(office: Office) -> None:
    content = base64.b64encode(b"MZ\x90\x00" + b"\0" * 60 + b"PE\0\0" + b"\0" * 60).decode()
    file = {"name": "a.pdf", "content_type": "application/pdf", "content": content}
    answer = await post(office, attachments=[file])
    assert answer.status == 422
    assert all(pointer.startswith("/attachments/0") for pointer in pointers(answer))


async def test_an_invitation_and_the_queue(office: Office) -> None:
    """What comes from the queue goes the same way."""
    await publish(office)
    posted = {
        "id": "from-the-queue",
        "from": {"email": BILLING},
        "to": [{"email": "ana@example.com"}],
        "template": {"name": "greeting", "data": {"name": "Ana", "number": 3}},
        "event": {"start": "2027-01-14T09:00", "end": "2027-01-14T10:00", "zone": "Europe/Berlin"},
    }
    for _ in range(2):  # delivered at least once
        await office.app.outbound.handle(json.dumps(posted).encode(), queue_id="q1")
    await office.deliver()
    mail = mail_of(office, "from-the-queue")
    [calendar] = [p for p in mail.walk() if p.get_content_type() == "text/calendar"]
    assert "METHOD:REQUEST" in calendar.get_content()
    assert "SUMMARY:For Ana" in calendar.get_content()


async def test_a_batch_renders_each_and_stores_what_is_shared_once(office: Office) -> None:
    await publish(office)
    file = {"name": "terms.txt", "content": base64.b64encode(b"x" * 60_000).decode()}
    batch = {
        "mode": "permissive",
        "shared": {"from": {"email": BILLING}, "attachments": [file]},
        "messages": [
            {"to": [{"email": f"{n}@example.com"}],
             "template": {"name": "greeting", "data": {"name": f"N{n}", "number": n}}}
            for n in range(30)
        ] + [
            {"to": [{"email": "x@example.com"}], "template": {"name": "greeting", "data": {}}},
            {"to": [{"email": "y@example.com"}], "subject": "Plain", "text": f"Card {CARD}"},
        ],
    }  # fmt: skip
    answer = read(await office.post_batch(batch, key="b"))
    assert [error["index"] for error in answer["errors"]] == [30]
    statuses = [one["status"] for one in answer["accepted"]]
    assert statuses == ["queued"] * 30 + ["held"]
    assert len(await office.blobs("batches/")) == 1
    again = read(await office.post_batch(batch, key="b"))
    assert [a["id"] for a in again["accepted"]] == [a["id"] for a in answer["accepted"]]
    while await office.deliver():
        pass
    mail = mail_of(office, answer["accepted"][7]["id"])
    assert mail["Subject"] == "For N7"
    [attached] = mail.iter_attachments()
    assert attached.get_payload(decode=True) == b"x" * 60_000


async def test_a_strict_batch_is_refused_whole_before_anything_is_recorded(office: Office) -> None:
    await publish(office)
    batch = {
        "shared": {"from": {"email": BILLING}},
        "messages": [
            {"to": [{"email": "a@example.com"}], "subject": "Hello", "text": "Hello"},
            {"to": [{"email": "b@example.com"}], "template": {"name": "nowhere"}},
        ],
    }
    answer = await office.post_batch(batch)
    assert (answer.status, pointers(answer)) == (422, {"/messages/1/template/name"})
    assert await office.keys("message-") == []


async def test_lint_looks_at_what_the_template_makes(office: Office) -> None:
    await publish(office)
    whole = {"from": {"email": BILLING}, "to": [{"email": "ana@example.com"}]}
    use = {"name": "greeting", "data": {"name": "LOREM IPSUM", "number": 1}}
    answer = await office.app.lint.post(json.dumps(whole | {"template": use}).encode(), JSON)
    assert answer.status == 200
    assert "placeholder" in {finding["rule"] for finding in read(answer)["findings"]}


NEWS: Json = {"category": "bulk", "topic": "news"}
PUBLIC = {"MAILROOM_PUBLIC_URL": "https://mail.contoso.test"}
LINK = "https://mail.contoso.test/api/unsubscribe/"


async def test_bulk_mail_shows_the_way_out_where_its_author_left_it_out(
    open_office: OpenOffice,
) -> None:
    office = open_office(**PUBLIC)
    shared = {"from": {"email": BILLING}, "subject": "News", "html": "<p>News</p>", **NEWS}
    batch = {
        "shared": {**shared, "text": "News\n" * 12_000},
        "messages": [{"to": [{"email": f"{n}@example.com"}]} for n in range(3)],
    }
    ids = [one["id"] for one in read(await office.post_batch(batch))["accepted"]]
    assert len(await office.blobs("batches/")) == 1
    assert await office.blobs(f"{ids[0]}/") == {}  # the footer costs no message its share
    while await office.deliver():
        pass
    links = set()
    for message_id in ids:
        mail = mail_of(office, message_id)
        [link] = [word for word in part(mail, "plain").split() if word.startswith(LINK)]
        assert link in part(mail, "html")
        assert f"<{link}>" in str(mail["List-Unsubscribe"])
        links.add(link)
    assert len(links) == 3
    view = await office.view(ids[0])
    assert "unsubscribe-missing" not in {finding["rule"] for finding in view["findings"]}


async def test_a_template_gets_its_link_and_no_second_one(open_office: OpenOffice) -> None:
    office = open_office(**PUBLIC)
    bundle = make_bundle(
        text('News. <a href="{{ unsubscribe_url }}">No more of this</a>'), subject="News"
    )
    body = json.dumps({"files": dict(bundle.files)}).encode()
    await office.app.templates.put("news", body, JSON)
    await office.app.templates.publish("news", b"", JSON)
    use: Json = {"subject": None, "text": None, "template": {"name": "news"}}
    answer = await post(office, **use, **NEWS)
    assert answer.status == 202, answer.body
    await office.deliver()
    mail = mail_of(office, read(answer)["id"])
    assert part(mail, "html").count(LINK) == 1
    assert part(mail, "plain").count(LINK) == 1
