"""The daily look at the submission service, by the timer of the running app and its API."""

import asyncio
import re

import pytest

from tests.end_to_end.caller import Caller


async def look(caller: Caller) -> None:
    """Runs the timer to its end."""
    before = ended(caller)
    await caller.run_timer("watch_service")
    async with asyncio.timeout(60):
        while ended(caller) == before:
            await asyncio.sleep(0.1)


def ended(caller: Caller) -> int:
    return len(re.findall(r"watch_service/\w+\] Executed", caller.stack.host.log()))


async def test_a_change_of_the_service_is_logged_and_shown(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await look(caller)
    reply = await caller.request("GET", "service-changes")
    assert (reply.status, reply.json) == (200, {"changes": []})
    offered = ("SIZE {size}", "DSN", "{security}", "8BITMIME")
    monkeypatch.setattr("local.office365.session._EXTENSIONS", offered)
    await look(caller)
    changes = (await caller.request("GET", "service-changes")).json["changes"]
    assert {change["data"]["fact"] for change in changes} == {
        "capabilities before TLS",
        "capabilities after TLS",
    }
    assert all(change["type"] == "mailroom.service.changed" for change in changes)
    assert "service changed: capabilities after TLS was '8BITMIME" in caller.stack.host.log()
