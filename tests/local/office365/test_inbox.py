"""The inbox page, its API, and steering the server by HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import pytest

from local.office365 import Limits, Office365Server
from tests.local.office365.client import BILLING, Dial, MakeToken, Serve, Wire

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154"
    "789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


async def deliver(wire: Wire, content: bytes, *recipients: str) -> None:
    lines = [f"RCPT TO:<{one}>".encode() for one in recipients or ("ana@example.com",)]
    wire.write(
        b"\r\n".join(
            [b"MAIL FROM:<billing@contoso.test>", *lines, b"BDAT %d LAST" % len(content), content]
        )
    )
    assert (await wire.replies(len(lines) + 2))[-1].startswith("250 ")


def rich_message() -> bytes:
    made = EmailMessage()
    made["From"] = "Contoso Billing <billing@contoso.test>"
    made["To"] = "Änne <ana@example.com>"
    made["Subject"] = "Rechnung 1042 für Änne"
    made["Message-ID"] = "<1042@contoso.test>"
    made.set_content("Guten Tag, Änne\n")
    made.add_alternative(
        '<html><head><title>x</title></head><p>Guten Tag</p><img src="cid:logo@contoso.test">'
        '<img src="https://tracker.example/x.png"><script>alert(1)</script></html>',
        subtype="html",
    )
    body = made.get_body(("html",))
    assert body is not None
    body.add_related(PIXEL, "image", "png", cid="<logo@contoso.test>")
    made.add_attachment(b"%PDF-1.7 ...", "application", "pdf", filename="Rechnung für Änne.pdf")
    return made.as_bytes().replace(b"\n", b"\r\n")


async def test_messages_are_read_back(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession
) -> None:
    wire = await dial(office)
    content = rich_message()
    await deliver(wire, content, "ana@example.com", "bob@example.com")
    url = f"{office.inbox_url}/api/messages"

    listed = await (await http.get(url)).json()
    shown = await (await http.get(f"{url}/1")).json()
    source = await (await http.get(f"{url}/1/source")).read()

    assert listed["total"] == listed["kept"] == listed["last"] == 1
    assert listed["messages"][0]["subject"] == "Rechnung 1042 für Änne"
    assert listed["messages"][0]["recipients"] == ["ana@example.com", "bob@example.com"]
    assert source == content
    assert shown["text"] == "Guten Tag, Änne\r\n"
    assert ["To", "Änne <ana@example.com>"] in shown["headers"]
    assert [one["name"] for one in shown["parts"] if one["is_attachment"]] == [
        "Rechnung für Änne.pdf"
    ]
    assert shown["envelope"]["chunking"] is True
    attachment = next(one for one in shown["parts"] if one["is_attachment"])
    part = await http.get(f"{url}/1/parts/{attachment['index']}")
    assert await part.read() == b"%PDF-1.7 ..."
    assert part.headers["Content-Disposition"].startswith("attachment;")
    assert (await http.get(f"{url}/1/parts/99")).status == 404
    assert (await http.get(f"{url}/2")).status == 404


async def test_html_is_shown_without_scripts_and_requests(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession
) -> None:
    await deliver(await dial(office), rich_message())

    answer = await http.get(f"{office.inbox_url}/api/messages/1/html")
    html = await answer.text()
    policy = answer.headers["Content-Security-Policy"]

    assert 'src="data:image/png;base64,iVBORw0KGgo' in html
    assert html.startswith('<html><head><base target="_blank"><title>x</title>')
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "img-src data:;" in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_has_no_external_resources(
    office: Office365Server, http: aiohttp.ClientSession
) -> None:
    for path, content_type in (
        ("/", "text/html"),
        ("/inbox.css", "text/css"),
        ("/inbox.js", "text/javascript"),
    ):
        answer = await http.get(f"{office.inbox_url}{path}")
        assert answer.status == 200
        assert answer.content_type == content_type
        text = await answer.text()
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    moved = await http.get(f"{office.inbox_url}/messages/7", allow_redirects=False)
    assert moved.headers["Location"] == "/#7"


async def test_searching_and_paging(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession
) -> None:
    wire = await dial(office)
    for number in range(12):
        content = f"Subject: Invoice {number}\r\nMessage-ID: <{number}@x>\r\n\r\n".encode()
        await deliver(wire, content, f"user{number}@example.com")
    url = f"{office.inbox_url}/api/messages"

    async def numbers(**query: str) -> list[int]:
        answer = await (await http.get(url, params=query)).json()
        return [one["number"] for one in answer["messages"]]

    assert await numbers(limit="3") == [12, 11, 10]
    assert await numbers(limit="3", offset="3") == [9, 8, 7]
    assert await numbers(q="invoice 11") == [12]
    assert await numbers(q="USER3@") == [4]
    assert await numbers(q="nothing") == []
    assert await numbers(message_id="<5@x>") == [6]
    assert await numbers(recipient="User5@example.com") == [6]
    assert await numbers(mailbox="alerts@contoso.test") == []
    assert (await http.get(url, params={"limit": "many"})).status == 400


async def test_waiting_for_newer_mail(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession
) -> None:
    wire = await dial(office)
    await deliver(wire, b"Subject: one\r\n\r\n")
    url = f"{office.inbox_url}/api/messages"

    waiting = asyncio.create_task(http.get(url, params={"after": "1", "wait": "20"}))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await deliver(wire, b"Subject: two\r\n\r\n")
    answer = await (await waiting).json()
    assert [one["subject"] for one in answer["messages"]] == ["two", "one"]
    answer = await (await http.get(url, params={"after": "2", "wait": "0.01"})).json()
    assert answer["last"] == 2


async def test_stopping_ends_those_who_wait(serve: Serve, http: aiohttp.ClientSession) -> None:
    server = await serve()
    waiting = asyncio.create_task(
        http.get(f"{server.inbox_url}/api/messages", params={"wait": "60"})
    )
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    await server.stop()
    assert time.perf_counter() - began < 20
    await waiting


async def test_deleting_all(
    serve: Serve, dial: Dial, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await serve(folder=tmp_path, max_messages=2)
    wire = await dial(server)
    for number in range(3):
        await deliver(wire, f"Subject: {number}\r\n\r\n".encode())
    url = f"{server.inbox_url}/api/messages"

    assert (await http.get(f"{url}/1")).status == 404  # the oldest had to go
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000002.eml", "00000003.eml"]
    assert await (await http.get(f"{url}/3/source")).read() == b"Subject: 2\r\n\r\n"
    assert await (await http.delete(url)).json() == {"deleted": 2}
    assert list(tmp_path.iterdir()) == []
    assert (await (await http.get(url)).json())["messages"] == []


async def test_only_ids_are_kept_when_asked(serve: Serve, dial: Dial) -> None:
    server = await serve(keep="ids")
    await deliver(await dial(server), b"Message-ID: <1@x>\r\n\r\n")

    assert server.messages == ()
    assert server.exchange.store.ids == ["<1@x>"]
    assert server.counters.messages == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\xff\xfe",
        b"Subject: =?utf-8?b?////?=\r\nCc: <<<\r\nTo: =?x?q?=\r\n\r\n\xff",
        b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx",
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
        b'Content-Type: text/html\r\nContent-Disposition: attachment; filename="a\r\n b"\r\n\r\nx',
        b"Content-Type: <script>/x; name*=utf-8''%ff%0d%0aSet-Cookie:x\r\n\r\nx",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
            for number in range(300)
        ),
        b"Subject:" + b" x" * 50_000 + b"\r\n\r\n",
        b"Content-Disposition: attachment; filename*0*=utf-8''%E4; filename*1=b\r\n\r\n",
    ],
)  # fmt: skip
async def test_hostile_mail_can_be_shown(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession, content: bytes
) -> None:
    await deliver(await dial(office), content)
    url = f"{office.inbox_url}/api/messages"

    assert (await http.get(url)).status == 200
    answer = await http.get(f"{url}/1")
    assert answer.status == 200
    for part in (await answer.json())["parts"]:
        answer = await http.get(f"{url}/1/parts/{part['index']}")
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
    assert (await http.get(f"{url}/1/html")).status == 200
    assert await (await http.get(f"{url}/1/source")).read() == content


async def test_faults_by_http(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession
) -> None:
    url = f"{office.inbox_url}/faults"
    wire = await dial(office)

    made = await http.post(
        url,
        params={"seed": "7"},
        json=[
            {"stage": "noop", "action": "reply", "times": None},
            {"stage": "quit", "action": "drop"},
        ],
    )
    assert (made.status, await made.json()) == (201, {"numbers": [1, 2]})
    assert (await wire.ask(b"NOOP")).startswith("451 4.7.0")
    listed = (await (await http.get(url)).json())["faults"]
    assert [(one["stage"], one["met"], one["struck"]) for one in listed] == [
        ("noop", 1, 1),
        ("quit", 0, 0),
    ]
    assert await (await http.delete(f"{url}/2")).json() == {"cleared": 1}
    assert await (await http.delete(url)).json() == {"cleared": 1}
    assert await wire.ask(b"NOOP") == "250 2.0.0 OK"
    wrong = await http.post(url, json={"stage": "nowhere", "action": "421"})
    assert wrong.status == 400
    assert "unknown stage 'nowhere'" in (await wrong.json())["error"]
    assert (await http.post(url, data="{")).status == 400


async def test_mailboxes_and_limits_by_http(
    office: Office365Server, dial: Dial, http: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    url = office.inbox_url

    changed = await http.patch(f"{url}/mailboxes/{BILLING}", json={"smtp_auth": False})
    assert (await changed.json())["smtp_auth"] is False
    wire = await dial(office, "tls")
    assert (await wire.login(make_token())).startswith("535 5.7.139")
    changed = await http.patch(
        f"{url}/mailboxes/{BILLING}", json={"smtp_auth": True, "send_as": ["info@contoso.test"]}
    )
    assert (await changed.json())["send_as"] == ["info@contoso.test"]
    assert (await wire.login(make_token())).startswith("235 ")
    await http.put(f"{url}/mailboxes/new@contoso.test", json={})
    listed = (await (await http.get(f"{url}/mailboxes")).json())["mailboxes"]
    assert len(listed) == 3
    await http.patch(f"{url}/limits", json={"messages_per_minute": None, "idle_seconds": 1.5})
    assert office.limits == Limits(messages_per_minute=None, idle_seconds=1.5)
    assert (await (await http.get(f"{url}/limits")).json())["idle_seconds"] == 1.5
    counters = await (await http.get(f"{url}/api/counters")).json()
    assert counters["auths"] == 2
    assert counters["sessions"] == {BILLING: 1}
    await http.delete(f"{url}/api/counters")
    assert office.counters.auths == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/mailboxes/eve@contoso.test", {}, 404, "no mailbox eve@contoso.test"),
        (f"/mailboxes/{BILLING}", {"address": "x@y"}, 400, "keeps its address"),
        (f"/mailboxes/{BILLING}", {"smtp_auth": "no"}, 400, "'smtp_auth' is true or false"),
        (f"/mailboxes/{BILLING}", {"send_as": "x"}, 400, "'send_as' is a list of strings"),
        ("/limits", {"messages": 1}, 400, "unknown setting 'messages'"),
        ("/limits", {"messages_per_minute": "1"}, 400, "is a number or null"),
        ("/limits", {"messages_per_minute": True}, 400, "is a number or null"),
        ("/limits", {"messages_per_minute": -1}, 400, "is a number or null"),
        ("/limits", {"announced_bytes": None}, 400, "'announced_bytes' is a number, not"),
        ("/limits", [], 400, "a JSON object"),
    ],
)
async def test_wrong_settings_are_named(  # noqa: PLR0917 - a table of cases
    office: Office365Server,
    http: aiohttp.ClientSession,
    path: str,
    body: object,
    status: int,
    error: str,
) -> None:
    answer = await http.patch(f"{office.inbox_url}{path}", json=body)

    assert answer.status == status
    assert error in (await answer.json())["error"]


async def test_other_sites_are_kept_out(
    office: Office365Server, http: aiohttp.ClientSession
) -> None:
    url = f"{office.inbox_url}/faults"

    rebound = await http.get(url, headers={"Host": f"evil.example:{office.inbox_port}"})
    assert rebound.status == 403
    forged = await http.post(
        url, headers={"Origin": "https://evil.example"}, json={"stage": "mail", "action": "421"}
    )
    assert forged.status == 403
    assert not office.faults
    own = await http.delete(url, headers={"Origin": office.inbox_url})
    assert own.status == 200
