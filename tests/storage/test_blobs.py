"""The container client against a real blob service."""

import pytest

from shared.errors import AlreadyExistsError, NotFoundError
from shared.storage.blobs import Container, is_blob_name
from shared.storage.connection import StorageConnection

JSON = "application/json"


@pytest.fixture
def container(storage: StorageConnection, name: str) -> Container:
    return Container(storage, name)


async def test_a_missing_container_is_created_by_the_first_blob(container: Container) -> None:
    await container.ping()
    with pytest.raises(NotFoundError):
        await container.read("a", limit=10)
    await container.write("a", b"{}", content_type=JSON)
    assert await container.read("a", limit=10) == b"{}"


# aiohttp would rather have a stream, which the SDK reads into memory all the same.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 5, b"x" * (5 * 1024 * 1024)])
async def test_content_comes_back_as_it_was(container: Container, content: bytes) -> None:
    await container.write("a", content, content_type=JSON)
    assert await container.read("a", limit=len(content)) == content


async def test_a_blob_over_the_limit_is_not_read(container: Container) -> None:
    await container.write("a", b"x" * 101, content_type=JSON)
    with pytest.raises(ValueError, match="101 bytes; 100 are allowed"):
        await container.read("a", limit=100)


async def test_a_missing_blob_is_named_with_the_fix(container: Container) -> None:
    await container.write("there", b"", content_type=JSON)
    with pytest.raises(NotFoundError, match="not/there") as refusal:
        await container.read("not/there", limit=10)
    assert container.name in refusal.value.detail
    assert "before the queue message" in refusal.value.fix


async def test_a_new_blob_does_not_overwrite(container: Container) -> None:
    await container.write("a", b"1", content_type=JSON, new=True)
    with pytest.raises(AlreadyExistsError):
        await container.write("a", b"2", content_type=JSON, new=True)
    assert await container.read("a", limit=10) == b"1"
    await container.write("a", b"3", content_type=JSON)
    assert await container.read("a", limit=10) == b"3"


async def test_deleting_is_repeatable(container: Container) -> None:
    await container.write("a", b"1", content_type=JSON)
    await container.delete("a")
    await container.delete("a")
    with pytest.raises(NotFoundError):
        await container.read("a", limit=10)


@pytest.mark.parametrize(
    "blob",
    ["a+b@c:d=e/0.json", "with blank.json", "Grüße/\U0001f600", "a%2Fb?c#d&e", "x" * 1024, "a/b/c"],
)
async def test_odd_names_are_names(container: Container, blob: str) -> None:
    assert is_blob_name(blob)
    await container.write(blob, b"1", content_type=JSON)
    assert await container.read(blob, limit=10) == b"1"


@pytest.mark.parametrize(
    "blob",
    ["", "../mail-templates/x", "a/../b", "a/./b", "/a", "a/", "a//b", "a.", "a\nb", "a\0",
     "\ud800", "a\\b", "x" * 1025],
)  # fmt: skip
def test_what_no_blob_can_be_called(blob: str) -> None:
    assert not is_blob_name(blob)


async def test_names_come_in_order_up_to_a_bound(storage: StorageConnection) -> None:
    container = Container(storage, "listed-names")
    assert await container.names(before="z", limit=10) == []
    for name in ("2026-11-03/b", "2026-11-01/a", "2026-11-02/c"):
        await container.write(name, b"x", content_type="text/plain")
    assert await container.names(before="2026-11-03/", limit=10) == ["2026-11-01/a", "2026-11-02/c"]
    assert await container.names(before="2026-11-03/", limit=1) == ["2026-11-01/a"]
