"""A secure link through the host: anonymous, in every method, with keys from Key Vault."""

from datetime import UTC, datetime

from aiohttp import ClientSession

from local.stack import SIGNING_KEY_NAME, LocalStack
from shared.storage.connection import StorageConnection
from tests.end_to_end.caller import Caller
from tests.links.desk import PDF, Desk, code_in, open_desk
from tests.storage.account import connect


async def open_beside(stack: LocalStack) -> tuple[Desk, StorageConnection]:
    """A desk on the stack's storage account, with the keys that the app finds in its vault."""
    storage = connect(stack.azurite.connection_string)
    desk = open_desk(storage, stack.azurite.connection_string)
    desk.keys.keys[:] = [key.value for key in stack.vault.store.versions(SIGNING_KEY_NAME)]
    desk.clock.now = datetime.now(UTC)
    return desk, storage


async def test_a_link_is_opened_and_fetched_without_any_key(caller: Caller) -> None:
    desk, storage = await open_beside(caller.stack)
    try:
        linked, token = await desk.post(code=True)
        url = f"{caller.stack.url}/files/{token}"
        async with ClientSession() as visitor:
            async with visitor.head(url) as response:
                assert (response.status, await response.read()) == (200, b"")
            async with visitor.get(url, headers={"Accept-Language": "fr"}) as response:
                assert response.status == 200
                assert "Télécharger" in await response.text()
                assert response.headers["Content-Type"].startswith("text/html")
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            async with visitor.post(url, data={"code": "wrong"}) as response:
                assert response.status == 403
            async with visitor.post(url, data={"code": code_in(linked)}) as response:
                assert response.status == 200
                assert await response.read() == PDF
                assert response.headers["Content-Type"].startswith("application/pdf")
                assert response.headers["Content-Disposition"].startswith("attachment;")
            async with visitor.get(f"{caller.stack.url}/files/{token[:-2]}") as response:
                assert response.status == 404
                assert "<html" in await response.text()
            async with visitor.get(f"{caller.stack.url}/links") as response:
                assert response.status == 401
        identity = token.partition(".")[0]
        listed = (await caller.request("GET", "links?limit=100")).json["links"]
        assert identity in [link["id"] for link in listed]
        revoked = await caller.request("DELETE", f"links/{identity}")
        assert (revoked.status, revoked.json["status"]) == (200, "revoked")
        assert (await desk.get(token)).status == 410
        signature = token.partition(".")[2]
        assert signature.encode() not in caller.stack.log_path.read_bytes()
    finally:
        await storage.aclose()
