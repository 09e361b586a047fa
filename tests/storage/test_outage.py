"""What storage's absence and refusals look like: one error, soon, with the fix and no secret."""

import asyncio
import base64
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from local.azurite import Azurite
from shared.errors import StorageUnavailableError
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.queues import Queue
from shared.storage.tables import Row, Table, Write
from tests.storage.account import connect


async def query(storage: StorageConnection) -> None:
    async for _ in Table(storage, "messages").query("p", "", "~"):
        pass


# azure-data-tables tests the truth of an XML element when it reads a refusal.
pytestmark = pytest.mark.filterwarnings("ignore:Testing an element's truth:DeprecationWarning")

CALLS: dict[str, Callable[[StorageConnection], Awaitable[object]]] = {
    "reading a row": lambda s: Table(s, "messages").read("p", "a"),
    "writing a row": lambda s: Table(s, "messages").write(Write("put", Row("p", "a"))),
    "writing two rows": lambda s: Table(s, "messages").write(
        Write("put", Row("p", "a")), Write("put", Row("p", "b"))
    ),
    "querying": query,
    "sending": lambda s: Queue(s, "outbound-mail").send("x"),
    "creating a queue": lambda s: Queue(s, "outbound-mail").create(),
    "peeking": lambda s: Queue(s, "outbound-mail").oldest_visible(),
    "asking for the depth": lambda s: Queue(s, "outbound-mail").depth(),
    "writing a blob": lambda s: Container(s, "mail-content").write("a", b"", content_type="a/b"),
    "reading a blob": lambda s: Container(s, "mail-content").read("a", limit=10),
    "deleting a blob": lambda s: Container(s, "mail-content").delete("a"),
    "asking for a container": lambda s: Container(s, "mail-content").ping(),
}
LONGEST = 15.0  # a function has minutes; an HTTP caller has not


def whole_text(error: BaseException | None) -> str:
    shown = ""
    while error is not None:
        shown += f"{error} {error!r} {vars(error)}"
        error = error.__cause__
    return shown


@pytest.fixture(scope="module")
async def stopped(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    """A storage account where nobody listens (its ports were another Azurite's)."""
    connection = connect(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", azurite.connection_string))
    yield connection
    await connection.aclose()


@pytest.fixture(scope="module")
async def locked(azurite: Azurite) -> AsyncIterator[StorageConnection]:
    """The storage account, with a key that is not its own."""
    wrong = base64.b64encode(secrets.token_bytes(64)).decode()
    text = re.sub(r"AccountKey=[^;]+", f"AccountKey={wrong}", azurite.connection_string)
    connection = connect(text)
    yield connection
    await connection.aclose()


def key_of(storage: StorageConnection) -> str:
    found = re.search(r"AccountKey=([^;]+)", storage._settings.storage_connection)
    assert found
    return found.group(1)


async def test_absent_storage_is_told_soon(stopped: StorageConnection) -> None:
    started = time.monotonic()
    failures = await asyncio.gather(
        *(call(stopped) for call in CALLS.values()), return_exceptions=True
    )
    assert time.monotonic() - started < LONGEST
    for failure in failures:
        assert isinstance(failure, StorageUnavailableError)
        assert "does not answer" in failure.detail
        assert "AzureWebJobsStorage" in failure.fix
        assert key_of(stopped) not in whole_text(failure)


@pytest.mark.parametrize("call", CALLS)
async def test_a_refusal_names_roles_or_clock_and_no_key(
    locked: StorageConnection, call: str
) -> None:
    with pytest.raises(StorageUnavailableError, match="refused") as failure:
        await CALLS[call](locked)
    assert "403" in failure.value.detail
    assert "role" in failure.value.fix
    assert key_of(locked) not in whole_text(failure.value)


async def test_settings_with_a_key_do_not_show_it(azurite: Azurite) -> None:
    connection = connect(azurite.connection_string)
    assert key_of(connection) not in repr(connection._settings)
    await connection.aclose()


async def test_storage_that_comes_back_is_used_again() -> None:
    azurite = Azurite()
    await azurite.start()
    storage = connect(azurite.connection_string)
    table = Table(storage, "messages")
    try:
        await table.write(Write("put", Row("p", "a")))
        await azurite.stop()
        with pytest.raises(StorageUnavailableError):
            await table.read("p", "a")
        await azurite.start()  # on the same ports; in memory, so all is gone
        assert await table.read("p", "a") is None
        await table.write(Write("put", Row("p", "a")))
        assert await table.read("p", "a") is not None
    finally:
        await storage.aclose()
        await azurite.stop()
