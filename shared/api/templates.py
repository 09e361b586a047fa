"""`/api/templates`: what designers change, without a deployment."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import check_headers
from shared.errors import FieldProblem, InvalidMessageError, TemplateError
from shared.messages.model import Address, LanguageTag, Message, TimeZone
from shared.messages.parsing import list_problems
from shared.templates.bundle import MAX_BYTES, NAME, Bundle
from shared.templates.store import TemplateState, TemplateStore, Version
from shared.templates.templates import Rendered, Templates

_BODY_LIMIT = 2 * MAX_BYTES

Lint = Callable[[Message], Awaitable[Sequence[Mapping[str, Any]]]]
"""What lint finds in a message, as the API shows it."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TemplateRequest(_Request):
    """The files of a template, complete: its own and the shared parts that it uses."""

    files: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="Path, such as `body.mjml` or `_partials/button.mjml`, to text."
    )
    note: Annotated[str, Field(max_length=500)] = ""


class VersionRequest(_Request):
    """Which version is meant; "" for the one that is at hand."""

    version: Annotated[str, Field(pattern=r"^([0-9]{1,9}|stock)?$")] = Field(
        default="", description="Publish: the draft unless given. Roll back: the previous one."
    )


class PreviewRequest(_Request):
    """What to render."""

    data: dict[str, Any] | None = Field(default=None, description="null: the sample data.")
    language: LanguageTag | None = None
    time_zone: TimeZone | None = None
    version: Annotated[str, Field(max_length=40)] = Field(
        default="", description='"" for the draft, or the published version without one.'
    )
    files: dict[str, str] | None = Field(
        default=None, description="Sources that are not saved, instead of a version."
    )


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChangeView(_View):
    """One change of a template."""

    at: str
    who: str
    what: str
    version: str


class TemplateView(_View):
    """A template's versions: numbers, `stock` for the packaged one, "" for none."""

    name: str
    draft: str
    published: str
    previous: str
    log: list[ChangeView] = Field(description="Newest first.")


class TemplateFilesView(TemplateView):
    """A template with the files of one version."""

    version: str
    created_at: str
    created_by: str
    note: str
    files: dict[str, str]


class TemplateListView(_View):
    """A page of templates, by name."""

    templates: list[TemplateView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class VersionView(_View):
    """One version of a template."""

    version: str
    created_at: str
    created_by: str
    note: str
    digest: str


class VersionListView(_View):
    """A page of versions, newest first."""

    versions: list[VersionView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class FileDifferenceView(_View):
    """A file that differs."""

    file: str
    change: str = Field(description="added, removed or changed.")
    diff: str = Field(description="Unified diff.")


class DifferenceView(_View):
    """What differs between two versions."""

    old: str = Field(serialization_alias="from")
    new: str = Field(serialization_alias="to")
    files: list[FileDifferenceView]


class PreviewView(_View):
    """A mail as a recipient would get it."""

    subject: str
    html: str
    text: str
    version: str
    language: str
    category: str
    topic: str
    html_bytes: int
    sender: str = Field(description="A mailbox that may send it, for a test.")
    findings: list[dict[str, Any]] = Field(description="As `POST /api/lint` shows them.")


class TemplatesApi:
    """Header names are expected in lower case. `url` is the request's own, with its query."""

    def __init__(
        self,
        *,
        store: TemplateStore,
        templates: Templates,
        sender: str,
        lint: Lint | None = None,
    ) -> None:
        self._store = store
        self._templates = templates
        self._sender = sender
        self._lint = lint

    async def get_page(self, url: str) -> Answer:
        """200 with a page of templates."""
        return await answer(lambda: self._page(_query(url)))

    async def _page(self, query: Mapping[str, str]) -> Answer:
        states, cursor = await self._store.page(
            after=query.get("cursor", ""), limit=_whole(query, "limit", 50, 1, 200)
        )
        view = TemplateListView(templates=[_view(state) for state in states], cursor=cursor or None)
        return json_answer(200, view.model_dump())

    async def put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """201 or 200 with the template, whose draft the files now are; 412, or 422 with each
        fault's file and line."""
        return await answer(lambda: self._put(name, body, headers))

    async def _put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = _read(TemplateRequest, body, headers)
        if not NAME.fullmatch(name):
            fix = "Use letters, digits, dots, dashes and underscores."
            raise InvalidMessageError([FieldProblem("", "The name cannot be used.", fix)])
        bundle = Bundle(wanted.files)
        if faults := await self._templates.check(bundle):
            raise InvalidMessageError([_file_problem(fault) for fault in faults])
        state = await self._store.put(
            name, bundle, who=_who(headers), note=wanted.note, match=headers.get("if-match"),
            new=headers.get("if-none-match", "").strip() == "*",
        )  # fmt: skip
        return _answer(201 if state.latest == 1 else 200, state)

    async def get(self, name: str, url: str) -> Answer:
        """200 with the template and the files of a version: `?version=`, else its draft, else
        the published one; or 404."""
        return await answer(lambda: self._get(name, _query(url)))

    async def _get(self, name: str, query: Mapping[str, str]) -> Answer:
        state = await self._store.state(name)
        version = await self._version(state, query.get("version", ""))
        view = TemplateFilesView(
            **_view(state).model_dump(), version=version.version, created_at=version.created_at,
            created_by=version.created_by, note=version.note, files=dict(version.bundle.files),
        )  # fmt: skip
        return json_answer(200, view.model_dump(), headers=_etag(state))

    async def _version(self, state: TemplateState, wanted: str) -> Version:
        """A version by number, `stock`, or one of draft, published, previous."""
        pointers = {"draft": state.draft, "published": state.published, "previous": state.previous}
        version = pointers.get(wanted, wanted) or state.draft or state.published
        return await self._store.read(state.name, version)

    async def delete(self, name: str, headers: Mapping[str, str]) -> Answer:
        """204; messages that were accepted keep what they are made of."""
        return await answer(lambda: self._delete(name, headers))

    async def _delete(self, name: str, headers: Mapping[str, str]) -> Answer:
        await self._store.delete(name, who=_who(headers), match=headers.get("if-match"))
        return Answer(204, b"", headers={"Cache-Control": "no-store"})

    async def publish(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the template; 409 where there is no draft."""
        return await answer(lambda: self._move(self._store.publish, name, body, headers))

    async def roll_back(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the template; 409 where there is no previous version."""
        return await answer(lambda: self._move(self._store.roll_back, name, body, headers))

    async def _move(self, move: Any, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = _read(VersionRequest, body, headers)
        state = await move(
            name, who=_who(headers), version=wanted.version, match=headers.get("if-match")
        )
        return _answer(200, state)

    async def versions(self, name: str, url: str) -> Answer:
        """200 with a page of versions."""
        return await answer(lambda: self._versions(name, _query(url)))

    async def _versions(self, name: str, query: Mapping[str, str]) -> Answer:
        limit = _whole(query, "limit", 50, 1, 200)
        before = _whole(query, "cursor", 0, 0, 10**9)
        found = await self._store.versions(name, before=before, limit=limit)
        last = found[-1].version if len(found) == limit else ""
        view = VersionListView(
            versions=[
                VersionView(
                    version=v.version, created_at=v.created_at, created_by=v.created_by,
                    note=v.note, digest=v.bundle.digest,
                )
                for v in found
            ],
            cursor=last if last.isdigit() else None,
        )  # fmt: skip
        return json_answer(200, view.model_dump())

    async def diff(self, name: str, url: str) -> Answer:
        """200 with a unified diff of each file that differs, `?from=` the published version `&to=`
        the draft unless given."""
        return await answer(lambda: self._diff(name, _query(url)))

    async def _diff(self, name: str, query: Mapping[str, str]) -> Answer:
        state = await self._store.state(name)
        old = await self._version(state, query.get("from", "") or state.published or "draft")
        new = await self._version(state, query.get("to", "draft"))
        files = await self._templates.compare(old.bundle, new.bundle, old.version, new.version)
        view = DifferenceView(
            old=old.version, new=new.version,
            files=[FileDifferenceView.model_validate(file) for file in files],
        )  # fmt: skip
        return json_answer(200, view.model_dump(by_alias=True))

    async def preview(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the mail and what lint says of it; 422 where it cannot be rendered."""
        return await answer(lambda: self._preview(name, body, headers))

    async def _preview(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = _read(PreviewRequest, body, headers)
        if wanted.files is not None:
            version, bundle = "unsaved", Bundle(wanted.files)
        else:
            found = await self._version(await self._store.state(name), wanted.version)
            version, bundle = found.version, found.bundle
        rendered = await self._templates.preview(
            bundle, wanted.data, language=wanted.language, zone=wanted.time_zone, version=version
        )
        view = PreviewView(
            **dataclasses.asdict(rendered), html_bytes=len(rendered.html.encode()),
            sender=self._sender, findings=await self._findings(rendered),
        )  # fmt: skip
        return json_answer(200, view.model_dump())

    async def _findings(self, rendered: Rendered) -> list[dict[str, Any]]:
        if self._lint is None:
            return []
        bulk = rendered.category == "bulk"
        message = Message.model_construct(
            sender=Address(email=self._sender), to=(Address(email="ana@example.com"),),
            subject=rendered.subject, html=rendered.html, text=rendered.text,
            category="bulk" if bulk else "transactional", topic=rendered.topic or None,
        )  # fmt: skip
        return [dict(finding) for finding in await self._lint(message)]


def _read[R: BaseModel](model: type[R], body: bytes, headers: Mapping[str, str]) -> R:
    if body:  # of a request without a body, clients name all kinds of types
        check_headers(headers, len(body), _BODY_LIMIT)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        unreadable = any(fault["type"] == "json_invalid" for fault in error.errors())
        raise InvalidMessageError(list_problems(error), status=400 if unreadable else 422) from None


def _file_problem(fault: TemplateError) -> FieldProblem:
    """The fault with the pointer of its file in the request."""
    pointer = "/files"
    if fault.file:
        pointer += "/" + fault.file.replace("~", "~0").replace("/", "~1")
    place = f"{fault.file}:{fault.line}: " if fault.line else ""
    return FieldProblem(pointer, f"{place}{fault.detail}", fault.fix)


def _query(url: str) -> dict[str, str]:
    fields = parse_qs(urlsplit(url).query, max_num_fields=20)
    return {name: values[-1] for name, values in fields.items()}


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    raw = query.get(name, "")
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit() and low <= int(raw) <= high):
        problem = FieldProblem("", f"{name} cannot be used.", f"Give {low} to {high}.")
        raise InvalidMessageError([problem], status=400)
    return int(raw)


def _who(headers: Mapping[str, str]) -> str:
    """Who asks: as App Service's sign-in says, else as the caller says."""
    name = headers.get("x-ms-client-principal-name") or headers.get("x-mailroom-author") or ""
    return "".join(c for c in name if c.isprintable())[:200]


def _view(state: TemplateState) -> TemplateView:
    return TemplateView(
        name=state.name, draft=state.draft, published=state.published, previous=state.previous,
        log=[ChangeView(**dataclasses.asdict(change)) for change in reversed(state.log)],
    )  # fmt: skip


def _etag(state: TemplateState) -> dict[str, str]:
    return {"ETag": state.etag} if state.etag else {}


def _answer(status: int, state: TemplateState) -> Answer:
    return json_answer(status, _view(state).model_dump(), headers=_etag(state))
