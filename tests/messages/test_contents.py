"""Where content is kept: in the row, or as a blob."""

import base64

import pytest

from shared.errors import NotFoundError
from shared.messages.contents import Contents
from shared.messages.parsing import message_json
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from tests.messages.drafts import read

# The SDK gives aiohttp the whole body at once.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
FILE = base64.b64encode(b"x" * 100).decode()


async def test_a_small_message_stays_in_the_row(contents: Contents, new_id: str) -> None:
    message = read(text="Grüße \U0001f600")
    values = await contents.keep(new_id, message)
    assert "content_blob" not in values
    assert await contents.find(values) == message


async def test_the_row_takes_48_kib(contents: Contents, new_id: str) -> None:
    overhead = len(message_json(read(text="x"))) - 1
    largest = read(text="x" * (48 * 1024 - overhead))
    assert len(message_json(largest)) == 48 * 1024
    assert "content_blob" not in await contents.keep(new_id, largest)
    larger = read(text="x" * (48 * 1024 - overhead + 1))
    assert "content_blob" in await contents.keep(new_id, larger)


async def test_attachments_go_to_a_blob_whatever_their_size(
    contents: Contents, new_id: str
) -> None:
    message = read(attachments=[{"name": "a.txt", "content": FILE, "inline_id": None}])
    values = await contents.keep(new_id, message)
    assert values.keys() == {"content_blob", "content_size"}
    assert values["content_size"] == len(message_json(message))
    assert values["content_blob"].startswith(f"{new_id}/")
    assert await contents.find(values) == message
    assert await contents.keep(new_id, message) == values  # again, without harm


async def test_two_messages_with_one_id_do_not_overwrite_each_other(
    contents: Contents, new_id: str
) -> None:
    one, other = (read(text=t * 60_000) for t in "ab")
    kept = [await contents.keep(new_id, message) for message in (one, other)]
    assert [await contents.find(values) for values in kept] == [one, other]


async def test_odd_ids_name_blobs(contents: Contents, new_id: str) -> None:
    message = read(attachments=[{"name": "a.txt", "content": FILE}])
    for odd in (f"a+b@c:d=e{new_id}", f"{new_id}.", f"{new_id}..x"):
        assert await contents.find(await contents.keep(odd, message)) == message


async def test_a_message_at_the_size_limit_can_be_read_again(
    contents: Contents, new_id: str
) -> None:
    # JSON may take six octets for one character, and 200,000 are the limit as sent.
    message = read(text="\u2028" * 60_000, html="é" * 60_000)
    assert await contents.find(await contents.keep(new_id, message)) == message


async def test_deleted_content_is_none_or_not_found(
    contents: Contents, storage: StorageConnection, new_id: str
) -> None:
    assert await contents.find({"status": "sent"}) is None
    values = await contents.keep(new_id, read(text="x" * 60_000))
    await Container(storage, "mail-content").delete(values["content_blob"])
    with pytest.raises(NotFoundError):
        await contents.find(values)


async def test_a_refused_body_is_kept_as_it_is(
    contents: Contents, storage: StorageConnection, new_id: str
) -> None:
    blob = await contents.keep_refused(new_id, b"\x00nonsense")
    assert await Container(storage, "mail-content").read(blob, limit=100) == b"\x00nonsense"


async def test_a_ping_needs_no_blob(contents: Contents) -> None:
    await contents.ping()
