"""Templates in the container `mail-templates`: versions that never change, pointers that do.

    <name>/versions/000003.json   the files of version 3, who made it and when
    <name>/state.json             which version is draft, published, previous; a log of changes

A version is written first, then the pointer is swapped if nobody else has (ETag): whatever crashes
in between, the published template is whole. Nothing is ever overwritten or deleted but pointers,
so that a message can always be traced to the very template that made it.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.errors import (
    AlreadyExistsError,
    ChangedError,
    ConflictError,
    NotFoundError,
    PreconditionError,
    UnknownTemplateError,
)
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import MAIL_TEMPLATES
from shared.templates.bundle import MAX_BYTES, NAME, Bundle
from shared.templates.packaged import PackagedTemplates

STOCK = "stock"

_JSON = "application/json"
_LOG = 100  # changes that a template's state remembers
_TRIES = 20
_KEPT = 64  # bundles
_FRESH = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a template's log. what: put, published, rolled back, deleted."""

    at: str
    who: str
    what: str
    version: str


@dataclass(frozen=True, slots=True)
class TemplateState:
    """Which versions a name has: "3", "stock" or "" for none. etag: "" for one not in the store."""

    name: str
    draft: str = ""
    published: str = ""
    previous: str = ""
    latest: int = 0
    deleted: bool = False
    log: tuple[Change, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version. created_at, created_by and note are "" for a packaged one."""

    name: str
    version: str
    bundle: Bundle
    created_at: str = ""
    created_by: str = ""
    note: str = ""


@dataclass(slots=True)
class _Cache:
    states: dict[str, tuple[datetime, TemplateState]] = field(default_factory=dict)
    versions: dict[tuple[str, str], Version] = field(default_factory=dict)


class TemplateStore:
    """All templates: those of the store, and the packaged ones that no stored one replaces."""

    def __init__(
        self,
        storage: StorageConnection,
        *,
        packaged: PackagedTemplates,
        clock: Callable[[], datetime],
    ) -> None:
        self._container = Container(storage, MAIL_TEMPLATES)
        self._packaged = packaged
        self._clock = clock
        self._cache = _Cache()

    async def find(self, name: str, version: str = "") -> tuple[str, Bundle]:
        """A version's true name and its files; "" is the published one, as of 15 seconds ago at
        most. Raises UnknownTemplateError."""
        state = await self._recent_state(name)
        if not version:
            version = state.published
            if state.deleted or not version:
                fix = "Publish its draft." if state.draft else "Use a name of GET /api/templates."
                raise UnknownTemplateError(f"There is no template named {name[:100]}.", fix=fix)
        found = await self.read(name, version)
        return found.version, found.bundle

    async def state(self, name: str) -> TemplateState:
        """As it is now. Raises UnknownTemplateError where neither store nor app know the name."""
        state = await self._read_state(name)
        if state is None:
            raise UnknownTemplateError(
                f"There is no template named {name[:100]}.", fix="Use a name of GET /api/templates."
            )
        self._cache.states[name] = self._clock(), state
        return state

    async def _recent_state(self, name: str) -> TemplateState:
        cached = self._cache.states.get(name)
        if cached is not None and self._clock() - cached[0] < _FRESH:
            return cached[1]
        return await self.state(name)

    async def _read_state(self, name: str) -> TemplateState | None:
        if not NAME.fullmatch(name):
            return None
        try:
            raw, etag = await self._container.read_tagged(_state_blob(name), limit=MAX_BYTES)
        except NotFoundError:
            packaged = name in self._packaged.bundles
            return TemplateState(name, published=STOCK) if packaged else None
        value = json.loads(raw)
        log = tuple(Change(**change) for change in value.pop("log"))
        return TemplateState(**value, log=log, etag=etag)

    async def read(self, name: str, version: str) -> Version:
        """A version by its number, or `stock`. Raises UnknownTemplateError."""
        if version == STOCK or version.startswith(f"{STOCK}-"):
            return self._read_packaged(name, version)
        key = name, version
        found = self._cache.versions.pop(key, None)
        if found is None:
            found = await self._read_version(name, version)
        while len(self._cache.versions) >= _KEPT:
            self._cache.versions.pop(next(iter(self._cache.versions)))
        self._cache.versions[key] = found
        return found

    def _read_packaged(self, name: str, version: str) -> Version:
        bundle = self._packaged.bundles.get(name)
        if bundle is None or version not in {STOCK, self._packaged.version(name)}:
            raise _no_version(name, version)
        return Version(name, self._packaged.version(name), bundle)

    async def _read_version(self, name: str, version: str) -> Version:
        if not NAME.fullmatch(name) or not (version.isascii() and version.isdigit()):
            raise _no_version(name, version)
        try:
            raw = await self._container.read(_version_blob(name, version), limit=4 * MAX_BYTES)
        except NotFoundError:
            raise _no_version(name, version) from None
        value = json.loads(raw)
        return Version(
            name, str(int(version)), Bundle(value["files"]), value["created_at"],
            value["created_by"], value["note"],
        )  # fmt: skip

    async def put(
        self,
        name: str,
        bundle: Bundle,
        *,
        who: str,
        note: str = "",
        match: str | None = None,
        new: bool = False,
    ) -> TemplateState:
        """Makes the files the draft. The same files again make no new version.

        match: the ETag that the template must have; new: it must not exist.
        """  # fmt: skip
        for _ in range(_TRIES):
            state = await self._current(name, match, new=new)
            if state.draft and not state.deleted:
                draft = await self.read(name, state.draft)
                if draft.bundle.digest == bundle.digest:
                    return state
            number = await self._write_version(name, state.latest + 1, bundle, who, note)
            changed = dataclasses.replace(
                state, draft=str(number), latest=number, deleted=False,
                published="" if state.deleted else state.published,
            )  # fmt: skip
            try:
                return await self._swap(changed, who, "put", str(number))
            except ChangedError:
                continue
        raise _busy(name)

    async def _current(self, name: str, match: str | None, *, new: bool = False) -> TemplateState:
        state = await self._read_state(name) or TemplateState(name)
        exists = bool(state.etag) and not state.deleted
        if new and exists:
            raise PreconditionError(f"There is a template {name}.", fix="Leave If-None-Match out.")
        if match is not None and (not exists or match not in {"*", state.etag}):
            raise PreconditionError(
                "The template is not the one that If-Match names.",
                fix="Read it again, and repeat the change with its new ETag.",
            )
        return state

    async def _write_version(
        self, name: str, number: int, bundle: Bundle, who: str, note: str
    ) -> int:
        """Returns the number, the next one that is free."""
        content = {
            "files": dict(bundle.files), "digest": bundle.digest, "created_by": who, "note": note,
            "created_at": self._clock().isoformat(timespec="seconds"),
        }  # fmt: skip
        body = json.dumps(content, ensure_ascii=False).encode()
        for tried in range(number, number + _TRIES):
            try:
                await self._container.write(
                    _version_blob(name, str(tried)), body, content_type=_JSON, new=True
                )
            except AlreadyExistsError:
                continue
            return tried
        raise _busy(name)

    async def publish(
        self, name: str, *, who: str, version: str = "", match: str | None = None
    ) -> TemplateState:
        """Makes the draft, or the given version, the published one."""

        def change(state: TemplateState) -> TemplateState:
            wanted = version or state.draft
            if not wanted:
                raise ConflictError(f"{name} has no draft.", fix="Put one, or name a version.")
            return _with_published(state, wanted)

        return await self._change(name, who, "published", change, match)

    async def roll_back(
        self, name: str, *, who: str, version: str = "", match: str | None = None
    ) -> TemplateState:
        """Makes the previous version, or the given one, the published one again."""

        def change(state: TemplateState) -> TemplateState:
            wanted = version or state.previous
            if not wanted:
                raise ConflictError(f"{name} has no previous version.", fix="Name a version.")
            return _with_published(state, wanted)

        return await self._change(name, who, "rolled back", change, match)

    async def delete(self, name: str, *, who: str, match: str | None = None) -> None:
        """No mail is made from it any more. Its versions stay, and a new draft revives it."""

        def change(state: TemplateState) -> TemplateState:
            return dataclasses.replace(state, deleted=True, draft="", published="", previous="")

        await self._change(name, who, "deleted", change, match)

    async def _change(
        self,
        name: str,
        who: str,
        what: str,
        change: Callable[[TemplateState], TemplateState],
        match: str | None,
    ) -> TemplateState:
        for _ in range(_TRIES):
            state = await self.state(name)
            if state.deleted:
                raise UnknownTemplateError(f"{name} is deleted.", fix="Put it again.")
            if match is not None:
                state = await self._current(name, match)
            changed = change(state)
            if changed.published:
                await self.read(name, changed.published)
            try:
                return await self._swap(changed, who, what, changed.published)
            except ChangedError:
                continue
        raise _busy(name)

    async def _swap(self, state: TemplateState, who: str, what: str, version: str) -> TemplateState:
        now = self._clock()
        line = Change(now.isoformat(timespec="seconds"), who, what, version)
        state = dataclasses.replace(state, log=(*state.log, line)[-_LOG:])
        value: dict[str, Any] = dataclasses.asdict(state)
        etag = value.pop("etag")
        body = json.dumps(value, ensure_ascii=False).encode()
        blob = _state_blob(state.name)
        new = await self._container.swap(blob, body, content_type=_JSON, etag=etag)
        state = dataclasses.replace(state, etag=new)
        self._cache.states[state.name] = now, state
        return state

    async def page(self, *, after: str = "", limit: int = 50) -> tuple[list[TemplateState], str]:
        """A page of templates in the order of their names, and the cursor of the next one."""
        stored = await self._container.list_names(folders=True)
        names = sorted({*stored, *self._packaged.bundles} - {""})
        states: list[TemplateState] = []
        for name in (n for n in names if n > after):
            state = await self._read_state(name)
            if state is None or state.deleted:
                continue
            if len(states) == limit:
                return states, states[-1].name
            states.append(state)
        return states, ""

    async def versions(self, name: str, *, before: int = 0, limit: int = 50) -> list[Version]:
        """The versions, newest first; `before`: older than this number. Packaged ones last."""
        state = await self.state(name)
        blobs = await self._container.list_names(f"{name}/versions/")
        numbers = sorted(
            (int(b.rpartition("/")[2].removesuffix(".json")) for b in blobs), reverse=True
        )
        wanted = [n for n in numbers if not before or n < before][:limit]
        found = [await self.read(name, str(number)) for number in wanted]
        if name in self._packaged.bundles and len(found) < limit and not state.deleted:
            found.append(self._read_packaged(name, STOCK))
        return found


def _with_published(state: TemplateState, version: str) -> TemplateState:
    if version == state.published:
        return dataclasses.replace(state, draft="" if version == state.draft else state.draft)
    return dataclasses.replace(
        state, published=version, previous=state.published,
        draft="" if version == state.draft else state.draft,
    )  # fmt: skip


def _state_blob(name: str) -> str:
    return f"{name}/state.json"


def _version_blob(name: str, version: str) -> str:
    return f"{name}/versions/{int(version):06}.json"


def _no_version(name: str, version: str) -> UnknownTemplateError:
    return UnknownTemplateError(
        f"There is no version {version[:40]} of {name[:100]}.",
        fix=f"Use one of GET /api/templates/{name[:100]}/versions.",
    )


def _busy(name: str) -> ConflictError:
    return ConflictError(f"Too many change {name} at the same time.", fix="Try again.")


def versions_of(state: TemplateState) -> Mapping[str, str]:
    """The pointers by name, for those who look one up."""
    return {"draft": state.draft, "published": state.published, "previous": state.previous}
