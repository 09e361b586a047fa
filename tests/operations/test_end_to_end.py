"""The new ways through the whole of it: Functions host, triggers, HTTP."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from azure.storage.queue.aio import QueueClient

from shared.storage.names import BOUNCE_EVENTS, OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH, POISON
from tests.operations.conftest import LIMITS, Json, Services, message

FAST = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2"}


class Whole(Services):
    """The services of this folder's tests, with the Functions host on top."""

    async def start(self) -> None:
        try:
            await self.start_services()
            self.options = type(self.options)(limits=LIMITS, settings=FAST)
            await self.start_host()
        except BaseException:
            await self.stop()
            raise


class Api:
    def __init__(self, whole: Whole, http: aiohttp.ClientSession) -> None:
        self.whole = whole
        self._http = http

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        async with self._http.request(
            method, f"{self.whole.url}/{path}", json=body, headers={**self.whole.headers, **headers}
        ) as response:
            return response.status, await response.json()

    async def until(self, message_id: str, wanted: Callable[[Json], bool]) -> Json:
        deadline = time.monotonic() + 20
        while True:
            status, view = await self.request("GET", f"messages/{message_id}")
            if status == 200 and wanted(view):
                return dict(view)
            assert time.monotonic() < deadline, (view, self.whole.host.log()[-3000:])
            await asyncio.sleep(0.1)

    def queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(self.whole.azurite.connection_string, name)


@pytest.fixture(scope="module")
async def api(authority: Any) -> AsyncIterator[Api]:
    whole = Whole(authority)
    await whole.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield Api(whole, http)
    await whole.stop()


async def test_a_batch_is_sent(api: Api) -> None:
    batch = {
        "shared": message(to=[]),
        "messages": [{"to": [{"email": f"reader{n}@example.com"}]} for n in range(5)],
    }
    headers = {"Idempotency-Key": "e2e"}
    status, answer = await api.request("POST", "messages/batch", batch, **headers)
    assert status == 202
    assert (await api.request("POST", "messages/batch", batch, **headers)) == (202, answer)
    for entry in answer["accepted"]:
        assert entry["status_url"] == f"{api.whole.url}/messages/{entry['id']}"
        await api.until(entry["id"], lambda view: view["status"] == "sent")


async def test_a_scheduled_message_is_cancelled(api: Api) -> None:
    send_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    _, answer = await api.request("POST", "messages", message(send_at=send_at))
    status, view = await api.request("DELETE", f"messages/{answer['id']}")
    assert (status, view["status"]) == (200, "cancelled")
    status, problem = await api.request("DELETE", "messages/never-was")
    assert (status, problem["status"]) == (404, 404)


@pytest.mark.parametrize("queue", [OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH])
async def test_what_lands_on_a_poison_queue_comes_back(api: Api, queue: str) -> None:
    message_id = f"poisoned-{queue}"
    async with api.queue(queue + POISON) as client:
        await client.send_message(json.dumps(message(id=message_id)))
    view = await api.until(
        message_id, lambda view: any(entry["type"] == "deferred" for entry in view["timeline"])
    )
    assert view["status"] == "queued"
    assert queue in view["timeline"][-1]["detail"]


@pytest.mark.parametrize("queue", [OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH])
async def test_what_cannot_be_told_from_another_ends_with_a_reason_and_is_replayed(
    api: Api, queue: str
) -> None:
    async with api.queue(queue + POISON) as client:
        await client.send_message(json.dumps(message()))  # without an id of its own
    found: list[Json] = []
    deadline = time.monotonic() + 60
    while not found:
        assert time.monotonic() < deadline
        status, page = await api.request("POST", "messages/replay", {"reason": f"queue {queue} "})
        assert status == 200
        found = page["messages"]
        await asyncio.sleep(0.1)
    message_id = found[0]["id"]
    await api.request("POST", "messages/replay", {"reason": f"queue {queue} ", "dry_run": False})
    await api.until(message_id, lambda view: view["status"] == "sent")


async def test_a_refused_queue_message_goes_by_way_of_poison_to_a_parked_blob(api: Api) -> None:
    async with api.queue(OUTBOUND_MAIL) as client:
        await client.send_message(json.dumps(message(to=[], id="invalid-1")))
    found: list[Json] = []
    deadline = time.monotonic() + 20
    while not found:
        assert time.monotonic() < deadline
        _, page = await api.request("POST", "messages/replay", {"reason": "no recipient"})
        found = page["messages"]
        await asyncio.sleep(0.1)
    view = await api.until(found[0]["id"], lambda view: len(view["timeline"]) > 1)
    assert f"refused/{view['id']}.json" in view["timeline"][-1]["detail"]


async def test_a_refused_recipient_is_noted_by_way_of_its_event(api: Api) -> None:
    to = [{"email": "ana@example.com"}, {"email": "unknown@example.com"}]
    _, answer = await api.request("POST", "messages", message(to=to))
    view = await api.until(
        answer["id"],
        lambda view: any(entry["type"] == "bounced" for entry in view["timeline"]),
    )
    assert view["status"] == "sent"
    async with api.queue(BOUNCE_EVENTS + POISON) as client:
        assert not await client.peek_messages()


async def test_resolving_what_is_known_is_a_conflict(api: Api) -> None:
    _, answer = await api.request("POST", "messages", message())
    await api.until(answer["id"], lambda view: view["status"] == "sent")
    status, problem = await api.request("POST", f"messages/{answer['id']}/resolve", {"as": "sent"})
    assert status == 409
    assert problem["fix"]


async def test_the_timer_deletes_what_has_expired(api: Api) -> None:
    """Nothing has, of this minute: but it runs, in the host, to its end."""
    url = f"{api.whole.host.url}/admin/functions/delete_expired"
    headers = {"x-functions-key": api.whole.host.master_key}
    async with aiohttp.ClientSession() as http, http.post(url, json={}, headers=headers) as answer:
        assert answer.status == 202
    deadline = time.monotonic() + 20
    while not re.search(r"\[delete_expired/\w+\] Executed \(Succeeded", api.whole.host.log()):
        assert time.monotonic() < deadline, api.whole.host.log()[-3000:]
        await asyncio.sleep(0.1)
