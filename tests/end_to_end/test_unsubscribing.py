"""One-click unsubscribing as a mail provider does it, by the mail that arrived (RFC 8058)."""

import re
from email import message_from_bytes, policy

from aiohttp import ClientSession

from tests.end_to_end.caller import Caller, Json, mail_of, message
from tests.end_to_end.faults import OpenBranch

PUBLIC = "https://mail.contoso.test"
ADDRESS = "reader@example.com"


def bulk(topic: str, **changes: object) -> Json:
    to = [{"email": ADDRESS}]
    return message(category="bulk", topic=topic, to=to, **changes)


async def link_of(caller: Caller, message_id: str) -> str:
    """The link in the mail that arrived, where this stack serves it: its public name has no
    server here."""
    await caller.finished(message_id)
    mail = message_from_bytes(mail_of(caller.stack, message_id).content, policy=policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.search(rf"<{PUBLIC}(/api/unsubscribe/[^>]+)>", mail["List-Unsubscribe"])
    assert found
    return f"{caller.stack.host.url}{found[1]}"


async def test_one_click(open_branch: OpenBranch) -> None:
    async with open_branch(MAILROOM_PUBLIC_URL=PUBLIC) as caller, ClientSession() as provider:
        message_id = await caller.send(bulk("news"))
        link = await link_of(caller, message_id)
        for method in ("HEAD", "GET", "HEAD", "GET"):
            async with provider.request(method, link) as response:
                assert response.status == 200
                assert bool(await response.read()) == (method == "GET")
        assert (await caller.post(bulk("news"))).json["status"] == "queued"

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with provider.post(
            link, data=b"List-Unsubscribe=One-Click", headers=form, allow_redirects=False
        ) as response:
            assert response.status == 200
            assert "Set-Cookie" not in response.headers
        # The very next one: two seconds are what other processes may take to learn of it.
        assert (await caller.post(bulk("news"))).json["status"] == "suppressed"
        assert (await caller.post(bulk("offers"))).json["status"] == "queued"
        assert (await caller.post(message(to=[{"email": ADDRESS}]))).json["status"] == "queued"

        view = await caller.until(
            message_id, lambda v: "unsubscribed" in {e["type"] for e in v["timeline"]}
        )
        assert view["status"] == "sent"
        async with provider.post(link, data={"do": "delete-everything"}) as response:
            assert response.status == 400
        async with provider.get(link[:-4], headers={"Accept-Language": "de"}) as response:
            assert response.status == 404
            assert "Dieser Link funktioniert nicht" in await response.text()
        token = link.rpartition("/")[2]
        assert token.encode() not in caller.stack.log_path.read_bytes()
