"""Versions in storage: immutable, numbered; pointers that never lose a change."""

import asyncio

import pytest

from shared.errors import ConflictError, PreconditionError, UnknownTemplateError
from shared.storage.connection import StorageConnection
from shared.templates.bundle import Bundle, read_folder
from shared.templates.packaged import FOLDER, PackagedTemplates
from shared.templates.store import TemplateStore
from tests.storage.account import StoppedClock
from tests.templates.sources import make_bundle, text


def version_of(number: object) -> Bundle:
    return make_bundle(text(f"Version {number}"))


@pytest.fixture
def store(storage: StorageConnection, clock: StoppedClock) -> TemplateStore:
    return TemplateStore(storage, packaged=PackagedTemplates(), clock=clock)


@pytest.fixture
def other(storage: StorageConnection, clock: StoppedClock) -> TemplateStore:
    """The store as another instance has it."""
    return TemplateStore(storage, packaged=PackagedTemplates(), clock=clock)


async def test_a_draft_is_published_and_rolled_back(
    store: TemplateStore, clock: StoppedClock
) -> None:
    await store.put("cycle", version_of(1), who="Ana", note="first")
    with pytest.raises(UnknownTemplateError, match="cycle") as refused:
        await store.find("cycle")
    assert "Publish" in refused.value.fix
    await store.publish("cycle", who="Ben")
    assert (await store.find("cycle"))[0] == "1"
    clock.advance(minutes=1)
    state = await store.put("cycle", version_of(2), who="Ana")
    assert (state.draft, state.published) == ("2", "1")
    assert (await store.find("cycle"))[0] == "1"
    state = await store.publish("cycle", who="Ben")
    assert (state.draft, state.published, state.previous) == ("", "2", "1")
    assert await store.find("cycle") == ("2", version_of(2))
    state = await store.roll_back("cycle", who="Cem")
    assert (state.published, state.previous) == ("1", "2")
    assert await store.find("cycle") == ("1", version_of(1))
    assert [(c.who, c.what, c.version) for c in state.log] == [
        ("Ana", "put", "1"), ("Ben", "published", "1"), ("Ana", "put", "2"),
        ("Ben", "published", "2"), ("Cem", "rolled back", "1"),
    ]  # fmt: skip
    assert state.log[0].at == "2026-11-02T12:00:00+00:00"
    assert state.log[2].at == "2026-11-02T12:01:00+00:00"


async def test_versions_are_listed_with_who_made_them(store: TemplateStore) -> None:
    for number in range(1, 6):
        await store.put("many", version_of(number), who="Ana", note=f"n{number}")
    newest = await store.versions("many", limit=2)
    assert [(v.version, v.note, v.created_by) for v in newest] == [
        ("5", "n5", "Ana"), ("4", "n4", "Ana"),
    ]  # fmt: skip
    older = await store.versions("many", before=4)
    assert [v.version for v in older] == ["3", "2", "1"]
    assert older[-1].bundle == version_of(1)


async def test_the_same_files_make_no_new_version(store: TemplateStore) -> None:
    first = await store.put("same", version_of(1), who="Ana")
    assert await store.put("same", version_of(1), who="Ana") == first


async def test_many_write_at_once_and_no_version_is_lost(
    store: TemplateStore, other: TemplateStore
) -> None:
    writers = [(store, other)[n % 2].put("busy", version_of(n), who=f"w{n}") for n in range(8)]
    await asyncio.gather(*writers)
    state = await store.state("busy")
    assert len(state.log) == 8
    assert state.draft == state.log[-1].version
    found = await store.versions("busy")
    texts = {v.bundle.digest for v in found}
    assert {version_of(n).digest for n in range(8)} <= texts
    assert len({v.version for v in found}) == len(found)


async def test_if_match_lets_one_of_two_win(store: TemplateStore, other: TemplateStore) -> None:
    state = await store.put("race", version_of(1), who="Ana")
    outcomes = await asyncio.gather(
        store.put("race", version_of(2), who="Ana", match=state.etag),
        other.put("race", version_of(3), who="Ben", match=state.etag),
        return_exceptions=True,
    )
    lost = [o for o in outcomes if isinstance(o, PreconditionError)]
    assert len(lost) == 1
    (won,) = [o for o in outcomes if not isinstance(o, BaseException)]
    assert await store.state("race") == won
    with pytest.raises(PreconditionError):
        await store.publish("race", who="Ana", match=state.etag)
    with pytest.raises(PreconditionError):
        await store.put("race", version_of(4), who="Ana", new=True)


async def test_another_instance_sees_what_is_published_within_15_seconds(
    store: TemplateStore, other: TemplateStore, clock: StoppedClock
) -> None:
    await store.put("fresh", version_of(1), who="Ana")
    await store.publish("fresh", who="Ana")
    assert (await other.find("fresh"))[0] == "1"
    await store.put("fresh", version_of(2), who="Ana")
    await store.publish("fresh", who="Ana")
    assert (await store.find("fresh"))[0] == "2"
    clock.advance(seconds=16)
    assert (await other.find("fresh"))[0] == "2"


async def test_a_deleted_template_is_gone_for_new_mail_alone(
    store: TemplateStore, clock: StoppedClock
) -> None:
    await store.put("old", version_of(1), who="Ana")
    await store.publish("old", who="Ana")
    await store.delete("old", who="Ben")
    with pytest.raises(UnknownTemplateError):
        await store.find("old")
    with pytest.raises(UnknownTemplateError):
        await store.publish("old", who="Ben", version="1")
    assert await store.find("old", "1") == ("1", version_of(1))
    state = await store.put("old", version_of(2), who="Cem")
    assert (state.draft, state.published, state.latest) == ("2", "", 2)


async def test_packaged_templates_need_no_step(store: TemplateStore) -> None:
    bundle = read_folder(FOLDER)["plain"]
    version, found = await store.find("plain")
    assert version == f"stock-{bundle.digest[:12]}"
    assert found == bundle
    assert await store.find("plain", version) == (version, bundle)
    assert (await store.state("plain")).published == "stock"


async def test_a_stored_template_replaces_the_packaged_one(
    storage: StorageConnection, clock: StoppedClock
) -> None:
    class Packaged(PackagedTemplates):
        bundles = {"welcome": version_of("stock")}  # noqa: RUF012

    store = TemplateStore(storage, packaged=Packaged(), clock=clock)
    await store.put("welcome", version_of(1), who="Ana")
    assert (await store.find("welcome"))[1] == version_of("stock")
    await store.publish("welcome", who="Ana")
    assert (await store.find("welcome"))[1] == version_of(1)
    state = await store.roll_back("welcome", who="Ana")
    assert state.published == "stock"
    assert (await store.find("welcome"))[1] == version_of("stock")
    await store.delete("welcome", who="Ana")
    with pytest.raises(UnknownTemplateError):
        await store.find("welcome")
    assert "welcome" not in [s.name for s in (await store.page())[0]]


async def test_pages_hold_every_template_once(store: TemplateStore) -> None:
    for name in ("page-a", "page-b", "page-c"):
        await store.put(name, version_of(name), who="Ana")
    names: list[str] = []
    cursor = ""
    while True:
        states, cursor = await store.page(after=cursor, limit=2)
        names += [state.name for state in states]
        if not cursor:
            break
    assert names == sorted(set(names))
    assert {"page-a", "page-b", "page-c", "plain"} <= set(names)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.", "-a", "a" * 101, "ä", "a\n", "a%2f"])
async def test_what_is_no_name_finds_nothing(store: TemplateStore, name: str) -> None:
    with pytest.raises(UnknownTemplateError):
        await store.find(name)
    with pytest.raises(UnknownTemplateError):
        await store.read(name, "1")


@pytest.mark.parametrize("version", ["0", "9", "x", "../1", "stock", "stock-0", "1 ", "²"])
async def test_what_is_no_version_finds_nothing(store: TemplateStore, version: str) -> None:
    await store.put("versions", version_of(1), who="Ana")
    with pytest.raises(UnknownTemplateError):
        await store.find("versions", version)


async def test_what_is_not_there_cannot_be_moved(store: TemplateStore) -> None:
    await store.put("alone", version_of(1), who="Ana")
    await store.publish("alone", who="Ana")
    with pytest.raises(ConflictError):
        await store.publish("alone", who="Ana")
    with pytest.raises(ConflictError):
        await store.roll_back("alone", who="Ana")
    with pytest.raises(UnknownTemplateError):
        await store.publish("alone", who="Ana", version="7")
    with pytest.raises(UnknownTemplateError):
        await store.delete("nobody", who="Ana")
