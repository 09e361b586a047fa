"""Delivery tests over the whole stack: asked for by HTTP, sent by SMTP, found by Graph."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE

import pytest

from local.contoso import APP_CLIENT_ID
from local.stack import ROOT
from tests.end_to_end.caller import BILLING, Caller, Json

PATIENCE = 60.0


async def asked(caller: Caller, to: str, **headers: str) -> Json:
    reply = await caller.request(
        "POST", "delivery-tests", json={"to": to, "from": BILLING}, headers=headers
    )
    assert reply.status == 202, reply.text
    assert reply.headers["Location"] == reply.json["status_url"]
    return reply.json


async def followed(caller: Caller, test: Json, *statuses: str) -> Json:
    """The test once it has one of these statuses, only by asking for it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        reply = await caller.request("GET", f"delivery-tests/{test['id']}")
        assert reply.status == 200, reply.text
        if reply.json["status"] in statuses:
            return reply.json
        await asyncio.sleep(0.3)
    pytest.fail(f"{reply.json}\n{caller.stack.host.log()[-3000:]}")


def told(test: Json) -> str:
    return " ".join(one["what"] for one in test["observations"])


async def test_a_probe_arrives_in_the_inbox(caller: Caller) -> None:
    test = await followed(caller, await asked(caller, "probe@fabrikam.test"), "arrived")
    arrival = test["arrival"]
    assert test["finished"]
    assert arrival["folder"] == "inbox"
    assert (arrival["spf"], arrival["dkim"], arrival["dmarc"]) == ("pass", "pass", "pass")
    assert arrival["compauth"] == "pass"
    assert arrival["seconds"] >= 0
    assert test["queued_seconds"] > 0
    assert test["server_reply"].startswith("250 ") or "2.0.0" in test["server_reply"]
    assert [hop["security"] for hop in arrival["hops"]] == ["tls", "tls", "tls"]
    assert {hop["tls"] for hop in arrival["hops"]} <= {"1.2", "1.3"}
    assert arrival["changed"] == []
    signature = arrival["signatures"][0]
    assert (signature["domain"], signature["aligned"]) == ("contoso.test", True)
    # As Exchange Online signs: its fields, and not the way out.
    assert arrival["unsubscribe_covered"] is False
    assert told(test).startswith("No aligned DKIM signature covers List-Unsubscribe")


async def test_a_gateways_signature_covers_the_way_out(caller: Caller) -> None:
    test = await followed(caller, await asked(caller, "gateway@fabrikam.test"), "arrived")
    assert test["arrival"]["unsubscribe_covered"] is True
    assert test["observations"] == []


async def test_a_probe_arrives_in_junk(caller: Caller) -> None:
    test = await followed(caller, await asked(caller, "junk@fabrikam.test"), "arrived")
    assert test["arrival"]["folder"] == "junk"
    assert told(test).startswith("It arrived in the junk folder.")


async def test_what_is_not_authenticated_is_told(caller: Caller) -> None:
    test = await followed(caller, await asked(caller, "unsigned@fabrikam.test"), "arrived")
    arrival, said = test["arrival"], told(test)
    assert (arrival["spf"], arrival["dkim"], arrival["dmarc"]) == ("softfail", "none", "fail")
    assert [hop["security"] for hop in arrival["hops"]] == ["tls", "plain", "tls"]
    assert arrival["changed"] == [{"name": "list-id", "change": "removed"}]
    for part in ("SPF is softfail", "DKIM is none", "DMARC is fail", "without TLS", "list-id"):
        assert part in said
    assert all(one["fix"] for one in test["observations"])


async def test_one_that_does_not_arrive_stays_open(caller: Caller) -> None:
    """That it ends after a quarter of an hour is tested by the clock, beneath HTTP."""
    test = await followed(caller, await asked(caller, "lost@fabrikam.test"), "waiting")
    assert (test["finished"], test["arrival"], test["detail"]) == (False, None, "")


async def test_a_mailbox_that_is_not_read_tells_the_sending_part(caller: Caller) -> None:
    test = await followed(caller, await asked(caller, "someone@gmail.test"), "handed_over")
    assert test["readable"] is False
    assert test["sent_at"]
    assert "make probe MAIL=" in test["fix"]


async def test_a_recipient_that_is_refused_ends_it(caller: Caller) -> None:
    key = {"Idempotency-Key": "refused"}
    test = await asked(caller, "nobody@contoso.test", **key)
    assert (await asked(caller, "nobody@contoso.test", **key))["id"] == test["id"]
    other = await caller.request(
        "POST", "delivery-tests", json={"to": "probe@fabrikam.test"}, headers=key
    )
    assert other.status == 409
    ended = await followed(caller, test, "not_sent", "handed_over", "not_arrived")
    assert ended["finished"]
    assert ended["fix"]


async def test_a_mailbox_that_may_not_be_read_is_explained(caller: Caller) -> None:
    access = caller.stack.graph.access
    access.assign("probe@fabrikam.test", APP_CLIENT_ID)
    try:
        test = await followed(caller, await asked(caller, "probe@fabrikam.test"), "waiting")
        assert "may not read the mailbox probe@fabrikam.test" in test["detail"]
        assert "Application Mail.Read" in test["fix"]
    finally:
        access.assign("probe@fabrikam.test", APP_CLIENT_ID, "Mail.Read")
    await followed(caller, test, "arrived")


async def test_who_may_not_send_is_refused_and_leaves_no_test(caller: Caller) -> None:
    before = (await caller.request("GET", "delivery-tests?limit=1")).json["tests"]
    reply = await caller.request("POST", "delivery-tests", json={"from": "x@else.test"})
    assert reply.status == 422
    assert (await caller.request("GET", "delivery-tests?limit=1")).json["tests"] == before
    assert (await caller.request("GET", "delivery-tests/0")).status == 404


async def command(caller: Caller, *arguments: str) -> tuple[int, str, str]:
    """What `make probe` runs, in a process of its own as on an operator's machine."""
    environment = {
        **os.environ,
        "MAILROOM_URL": caller.stack.host.url,
        "MAILROOM_KEY": caller.stack.host.function_key,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.delivery_tests", *arguments),
        cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_tells_people_and_their_scripts(caller: Caller) -> None:
    status, out, err = await command(caller, "send")
    assert (status, err.splitlines()[0].endswith(f"{BILLING} → probe@fabrikam.test")) == (0, True)
    for part in ("status        arrived", "folder        inbox", "SPF pass, DKIM pass, DMARC pass"):
        assert part in out
    assert "unsubscribe   not covered" in out
    status, out, _ = await command(caller, "send", "junk@fabrikam.test", "--json")
    assert (status, json.loads(out)["arrival"]["folder"]) == (1, "junk")
    status, out, _ = await command(caller, "send", "someone@gmail.test")
    assert (status, "make probe MAIL=" in out) == (2, True)
    status, _, err = await command(caller, "send", "--from", "x@else.test")
    assert (status, "MAILROOM_SENDERS" in err) == (2, True), err
    status, _, err = await command(caller, "send", "--key", "wrong")
    assert (status, "MAILROOM_KEY" in err) == (2, True)


async def test_the_trend_is_told_in_pages(caller: Caller) -> None:
    ids = [(await asked(caller, "probe@fabrikam.test"))["id"] for _ in range(3)]
    seen: list[str] = []
    cursor = ""
    while len(seen) < 3:
        path = f"delivery-tests?limit=2&cursor={cursor}"
        page = (await caller.request("GET", path)).json
        seen += [one["id"] for one in page["tests"]]
        cursor = page["cursor"]
        assert cursor
    assert seen[:3] == ids[::-1]
    assert (await caller.request("GET", "delivery-tests?limit=0")).status == 422
