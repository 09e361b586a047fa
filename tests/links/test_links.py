"""Secure links: made, opened, guessed at, used up, taken back, forgotten."""

import asyncio
import json
import re
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.azurite import Azurite
from shared.api.answers import Answer
from shared.errors import InvalidMessageError, NotFoundError
from shared.links.block import append_to_html
from shared.links.seals import NoKeyError
from shared.storage.connection import StorageConnection
from tests.composing.reading import make, send
from tests.links.desk import PDF, Desk, code_in, open_desk, token_in


def identity_of(token: str) -> str:
    return token.partition(".")[0]


async def message_of(desk: Desk, token: str) -> str:
    link = await desk.register.get(identity_of(token))
    assert link is not None
    return link.message_id


def check_page(answer: Answer, status: int, text: str) -> str:
    """A page of ours: safe header fields, no script, nothing from elsewhere."""
    body = answer.body.decode()
    assert answer.status == status
    assert text in body
    assert answer.content_type == "text/html"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script|<iframe|<link rel=.stylesheet|\son\w+=|javascript:", body)
    assert not re.search(r"(?:src|href|action)=.https?://", body)
    return body


async def test_a_file_becomes_a_link_in_text_and_html(desk: Desk) -> None:
    linked, token = await desk.post(message_id="m-1")
    message = linked.message
    assert message.attachments == ()
    assert linked.code is None
    assert "Bericht März.pdf (1.5\N{NO-BREAK SPACE}kB, available until 16 November 2026)" in (
        message.text or ""
    )
    assert (message.html or "").endswith("</div></div></body></html>")
    mail = send(message).content
    assert b"%PDF" not in mail
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", token)
    assert "ana" not in token
    assert "m-1" not in token


async def test_the_page_shows_and_its_button_fetches(desk: Desk) -> None:
    _, token = await desk.post()
    body = check_page(await desk.get(token), 200, "Bericht März.pdf")
    assert '<form method="post">' in body
    assert 'name="code"' not in body
    answer = await desk.fetch(token)
    assert (answer.status, answer.body) == (200, PDF)
    assert answer.content_type == "application/pdf"
    disposition = EmailMessage()
    disposition["Content-Disposition"] = answer.headers["Content-Disposition"]
    assert disposition.get_content_disposition() == "attachment"
    assert "filename*=UTF-8''Bericht%20M%C3%A4rz.pdf" in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_scanners_use_nothing_up(desk: Desk) -> None:
    _, token = await desk.post(max_downloads=1)
    for _ in range(30):
        assert (await desk.get(token)).status == 200
        head = await desk.files.serve("HEAD", token, b"", {})
        assert (head.status, head.body) == (200, b"")
    assert (await desk.fetch(token)).body == PDF
    told = await desk.told(await message_of(desk, token))
    assert told.count("link-viewed") == 20  # and no more, however often it is opened
    assert told.count("link-downloaded") == 1


async def test_downloads_are_counted(desk: Desk) -> None:
    _, token = await desk.post(max_downloads=2)
    assert [(await desk.fetch(token)).status for _ in range(3)] == [200, 200, 410]
    check_page(await desk.get(token), 410, "used up")
    assert (await desk.view(identity_of(token)))["status"] == "used_up"


async def test_visitors_at_once_get_no_more_than_allowed(desk: Desk) -> None:
    _, token = await desk.post(max_downloads=3)
    answers = await asyncio.gather(*(desk.fetch(token) for _ in range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses.count(200) == 3
    assert set(statuses) == {200, 410}


async def test_it_expires(desk: Desk) -> None:
    _, token = await desk.post(expires_in_days=3)
    desk.clock.advance(days=2, hours=23)
    assert (await desk.get(token)).status == 200
    desk.clock.advance(hours=1)
    check_page(await desk.get(token), 410, "expired")
    assert (await desk.fetch(token)).status == 410


async def test_the_time_runs_from_when_the_message_is_sent(desk: Desk) -> None:
    at = desk.clock.now + timedelta(days=100)
    message = make(
        attachments=[{"name": "a.txt", "content": b"x", "deliver": "link"}], send_at=at.isoformat()
    )
    linked = await desk.posting.replace(message, "later")
    link = await desk.register.get(
        re.search(r"/api/files/([0-9a-f]{24})\.", linked.message.text or "")[1]  # type: ignore[index]
    )
    assert link is not None
    assert link.expires_at == at + timedelta(days=14)


@pytest.mark.parametrize("change", ["cut", "flip", "id", "other purpose", "empty", "long", "odd"])
async def test_a_forged_address_is_nothing(desk: Desk, change: str) -> None:
    _, token = await desk.post()
    identity, _, signature = token.partition(".")
    other = await desk.keys.sign("mailroom.unsubscribe", identity)
    flipped = "B" if signature[0] == "A" else "A"
    forged = {
        "cut": token[:-1], "flip": f"{identity}.{flipped}{signature[1:]}",
        "id": f"{'0' * 24}.{signature}", "other purpose": str(other), "empty": "",
        "long": token + "A" * 5000, "odd": "../" + token,
    }[change]  # fmt: skip
    for method in ("GET", "POST"):
        answer = await desk.files.serve(method, forged, b"", {})
        check_page(answer, 404, "does not work")
    assert (await desk.get(token)).status == 200


async def test_an_old_key_opens_until_it_is_taken_away(desk: Desk) -> None:
    linked, token = await desk.post(code=True)
    code = code_in(linked)
    desk.keys.keys.append("n" * 40)
    assert (await desk.fetch(token, code)).status == 200
    desk.keys.keys.remove("k" * 40)
    assert (await desk.get(token)).status == 404


async def test_without_a_key_no_link_is_made_and_none_opened(desk: Desk) -> None:
    _, token = await desk.post()
    desk.keys.keys.clear()
    with pytest.raises(NoKeyError) as raised:
        await desk.post()
    assert "MAILROOM_KEY_VAULT_URL" in raised.value.fix
    assert (await desk.get(token)).status == 404


async def test_a_code_goes_its_own_way(desk: Desk) -> None:
    linked, token = await desk.post(code=True)
    code = code_in(linked)
    mailed, codes = linked.message, linked.code
    assert codes is not None
    assert code not in f"{mailed.text}{mailed.html}"
    assert token not in f"{codes.subject}{codes.text}"
    assert identity_of(token) not in f"{codes.subject}{codes.text}"
    assert (codes.to, codes.cc, codes.bcc) == (mailed.to, mailed.cc, mailed.bcc)
    assert linked.code_id
    body = check_page(await desk.get(token), 200, 'name="code"')
    assert 'autocomplete="one-time-code"' in body
    assert (await desk.fetch(token)).status == 403
    assert (await desk.fetch(token, f"{code[:3]}+{code[3:]}")).body == PDF
    stored = await desk.register.get(identity_of(token))
    shown = json.dumps(await desk.view(identity_of(token)))
    assert code not in shown
    assert stored is not None
    assert code not in stored.seal
    assert all(code not in e.detail for e in await desk.timeline.read(stored.message_id))


async def test_guessing_locks_the_link(desk: Desk) -> None:
    linked, token = await desk.post(code=True)
    code = code_in(linked)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1):
        check_page(await desk.fetch(token, wrong), 403, f"Tries left: {left}")
    check_page(await desk.fetch(token, wrong), 403, "locked")
    check_page(await desk.fetch(token, code), 403, "locked")  # too late, even if it is right
    check_page(await desk.get(token), 403, "locked")
    told = await desk.told(await message_of(desk, token))
    assert (told.count("link-refused"), told.count("link-locked")) == (4, 1)


async def test_a_right_code_forgives(desk: Desk) -> None:
    linked, token = await desk.post(code=True)
    for _ in range(3):
        for _ in range(4):
            assert (await desk.fetch(token, "1234567")).status == 403
        assert (await desk.fetch(token, code_in(linked))).status == 200


async def test_guesses_at_once_are_counted_each(desk: Desk) -> None:
    linked, token = await desk.post(code=True)
    code = int(code_in(linked))
    guesses = [f"{(code + n) % 1_000_000:06d}" for n in range(1, 11)]
    answers = await asyncio.gather(*(desk.fetch(token, guess) for guess in guesses))
    assert all(answer.status == 403 for answer in answers)
    told = await desk.told(await message_of(desk, token))
    assert (told.count("link-refused"), told.count("link-locked")) == (4, 1)


@given(body=st.binary(max_size=300))
def test_no_form_upsets_it(body: bytes) -> None:
    from shared.api.files import _code

    assert isinstance(_code(body), str)
    assert len(_code(b"code=" + body)) <= 50


async def test_it_can_be_revoked(desk: Desk) -> None:
    _, token = await desk.post()
    answer = await desk.links.revoke(identity_of(token))
    assert json.loads(answer.body)["status"] == "revoked"
    check_page(await desk.get(token), 410, "withdrawn")
    assert (await desk.fetch(token)).status == 410
    assert await files_left(desk, token) == 0
    assert (await desk.links.revoke(identity_of(token))).status == 200
    for nobody in ("0" * 24, "x", "../" + token):
        assert (await desk.links.revoke(nobody)).status == 404


async def files_left(desk: Desk, token: str) -> int:
    link = await desk.register.get(identity_of(token))
    assert link is not None
    try:
        await desk.container.read(link.blob, limit=10**6)
    except NotFoundError:
        return 0
    return 1


async def test_messages_of_a_batch_share_the_file(desk: Desk) -> None:
    tokens = [(await desk.post(shared="batch-1"))[1] for _ in range(3)]
    links = [await desk.register.get(identity_of(token)) for token in tokens]
    assert len({link.blob for link in links if link}) == 1
    assert len(set(tokens)) == 3
    await desk.links.revoke(identity_of(tokens[0]))
    assert (await desk.fetch(tokens[1])).body == PDF


async def test_a_repeated_message_gets_the_same_links(desk: Desk) -> None:
    first, token = await desk.post(message_id="again", code=True)
    desk.clock.advance(days=1)
    second, repeated = await desk.post(message_id="again", code=True)
    assert repeated == token
    assert code_in(first) == code_in(second)
    assert first.code_id == second.code_id
    assert (await desk.fetch(token, code_in(second))).body == PDF
    assert len(await desk.register.of_message("again")) == 1


async def test_links_are_listed_newest_first(azurite: Azurite, storage: StorageConnection) -> None:
    desk = open_desk(storage, azurite.connection_string)
    desk.clock.advance(days=4000)  # newer than those of all other tests
    made = []
    for _ in range(5):
        desk.clock.advance(minutes=1)
        made.append(identity_of((await desk.post())[1]))
    found: list[str] = []
    cursor = ""
    for _ in range(3):
        answer = await desk.links.list({"limit": "2", "cursor": cursor})
        page = json.loads(answer.body)
        found += [link["id"] for link in page["links"]]
        cursor = page["cursor"]
    assert found[:5] == made[::-1]
    for query in ({"limit": "0"}, {"limit": "x"}, {"cursor": "x"}, {"message": "/"}):
        assert (await desk.links.list(query)).status == 400


async def test_what_has_expired_is_deleted(azurite: Azurite, storage: StorageConnection) -> None:
    desk = open_desk(storage, azurite.connection_string)
    _, short = await desk.post(expires_in_days=1)
    _, longer = await desk.post(expires_in_days=20)
    desk.clock.advance(days=3)
    await desk.retention.run()
    assert (await files_left(desk, short), await files_left(desk, longer)) == (0, 1)
    check_page(await desk.get(short), 410, "expired")
    desk.clock.advance(days=30)
    counts = await desk.retention.run()
    assert counts["links"] >= 1
    assert await desk.register.get(identity_of(short)) is None
    check_page(await desk.get(short), 410, "expired")  # known by its signature alone
    assert not await desk.retention.run()


async def test_visits_tell_networks_apart_but_no_address(desk: Desk) -> None:
    _, token = await desk.post()
    for address in (
        "203.0.113.7:51000",
        "6.6.6.6, 203.0.113.99",
        "198.51.100.1",
        "[2001:db8::1]:1",
    ):
        await desk.get(token, **{"x-forwarded-for": address})
    entries = await desk.timeline.read(await message_of(desk, token))
    marks = [e.detail.rpartition(" ")[2] for e in entries if e.type == "link-viewed"]
    assert marks[0] == marks[1]  # one /24
    assert len(set(marks)) == 3
    assert all(re.fullmatch("[0-9a-f]{8}", mark) for mark in marks)
    assert not any("203" in e.detail or "db8" in e.detail for e in entries)


@pytest.mark.parametrize(
    ("accepted", "word"),
    [("de-AT,de;q=0.9", "Herunterladen"), ("fr;q=0.9, it", "Télécharger"), ("es", "Descargar"),
     ("ja", "Download"), ("", "Download"), ("en;q=0.1, de;q=0.2", "Herunterladen")],
)  # fmt: skip
async def test_pages_speak_the_visitors_language(desk: Desk, accepted: str, word: str) -> None:
    _, token = await desk.post()
    answer = await desk.get(token, **{"accept-language": accepted})
    check_page(answer, 200, word)
    assert f'<html lang="{answer.headers["Content-Language"]}">' in answer.body.decode()


async def test_mail_speaks_the_messages_language(desk: Desk) -> None:
    linked, _ = await desk.post(language="de", code=True)
    assert "verfügbar bis 16. November 2026" in (linked.message.text or "")
    assert linked.code is not None
    assert linked.code.subject == "Ihr Code für Bericht März.pdf"


@pytest.mark.parametrize(
    "name",
    ['a"b.pdf', "<script>alert(1)</script>.pdf", "a&amp;b.pdf", "x' onclick='y.pdf", "{{7*7}}.pdf"],
)
async def test_a_hostile_name_stays_a_name(desk: Desk, name: str) -> None:
    from shared.messages.model import Attachment

    message = make(html="<p>x</p>").model_copy(
        update={
            "attachments": (Attachment.model_construct(
                name=name, content=b"x", content_type="text/html", deliver="link", url=None,
                inline_id=None, expires_in_days=None, max_downloads=None, code=False,
            ),)
        }
    )  # fmt: skip
    linked = await desk.posting.replace(message, f"hostile-{len(name)}")
    found = re.search(r"/api/files/(\S+)", linked.message.text or "")
    assert found
    page = await desk.get(found[1])
    for html in (page.body.decode(), linked.message.html or ""):
        assert "<script>alert" not in html
        assert "onclick='" not in html
        assert "49" not in html.partition("<dd>")[2][:20]
    answer = await desk.fetch(found[1])
    assert answer.content_type == "application/octet-stream"
    assert "\n" not in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Disposition"].count('"') == 2


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<p>a</p>", ""), ("<body>a", "</BODY ></html>"), ("a", "</html>"),
        ("<!-- </body> --><body>x", "</body>"), ("<body>x", "</body><!-- </body> --></html>"),
        ("<body>x<!--[if mso]></td></body><![endif]-->", "</body>"),
    ],
)  # fmt: skip
def test_the_block_stands_at_the_end_of_the_body(start: str, end: str) -> None:
    assert append_to_html(start + end, [], "en") == f'{start}<div lang="en"></div>{end}'


async def test_links_need_an_address_of_their_own(
    azurite: Azurite, storage: StorageConnection
) -> None:
    desk = open_desk(storage, azurite.connection_string, MAILROOM_PUBLIC_URL="")
    with pytest.raises(InvalidMessageError) as raised:
        await desk.post()
    (problem,) = raised.value.problems
    assert problem.field == "/attachments/0/deliver"
    assert "MAILROOM_PUBLIC_URL" in problem.fix


async def test_no_link_works_longer_than_allowed(desk: Desk) -> None:
    with pytest.raises(InvalidMessageError) as raised:
        await desk.post(expires_in_days=91)
    assert raised.value.problems[0].field == "/attachments/0/expires_in_days"


async def test_a_message_without_links_comes_back_as_it_is(desk: Desk) -> None:
    message = make()
    assert (await desk.posting.replace(message, "x")).message is message


async def test_files_and_links_go_together(desk: Desk) -> None:
    files: list[dict[str, Any]] = [
        {"name": "kept.txt", "content": b"1"},
        {"name": "first.txt", "content": b"2", "deliver": "link"},
        {"name": "second.txt", "content": b"3", "deliver": "link"},
    ]
    linked = await desk.posting.replace(make(attachments=files), "several")
    assert [file.name for file in linked.message.attachments] == ["kept.txt"]
    tokens = re.findall(r"/api/files/(\S+)", linked.message.text or "")
    assert [(await desk.fetch(token)).body for token in tokens] == [b"2", b"3"]
    assert [link.file_name for link in await desk.register.of_message("several")] == [
        "first.txt", "second.txt",
    ]  # fmt: skip


def test_the_helper_finds_tokens() -> None:
    with pytest.raises(AssertionError):
        token_in(make())


async def test_trouble_is_a_page_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.errors import StorageUnavailableError

    async def fail(link_id: str) -> None:
        raise StorageUnavailableError("Storage does not answer: secret detail.")

    _, token = await desk.post()
    monkeypatch.setattr(desk.register, "get", fail)
    body = check_page(await desk.get(token), 503, "Not available")
    assert "secret detail" not in body
