"""`/api/digests`: what digests there are, and what applications add to them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import check_headers
from shared.callers.caller import check_sender
from shared.digests.definition import Definition, Digest
from shared.digests.definitions import Definitions
from shared.digests.intake import ItemIntake
from shared.digests.item import is_digest_name
from shared.digests.preview import DigestPreviews
from shared.digests.sending import DigestSending
from shared.digests.window import place_of
from shared.digests.windows import Windows
from shared.errors import (
    ChangedError,
    ConflictError,
    FieldProblem,
    InvalidMessageError,
    NotFoundError,
    UnknownTemplateError,
)
from shared.messages.identity import read_idempotency_key
from shared.messages.model import Message
from shared.messages.parsing import list_problems
from shared.suppression.addresses import AddressError

MOST_DIGESTS = 200  # on a page

_SMALL = 64 * 1024
_BODY_LIMIT = 5 * 1024 * 1024  # of items: 500 of 8 KiB, and what is around them


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class DigestView(_View):
    """A digest as it is defined."""

    name: str
    created_at: datetime
    changed_at: datetime
    definition: dict[str, Any] = Field(description="As it was put, with all defaults.")


class DigestsView(_View):
    """A page of digests, by name."""

    digests: list[DigestView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class ItemsView(_View):
    """What became of the items, counted for each recipient."""

    accepted: int
    repeated: int = Field(description="They had been taken before: nothing came of them.")
    unwanted: int = Field(description="The recipient wants none of it.")


class RemovedView(_View):
    """What became of the items of a key."""

    removed: int = Field(description="They will not be mailed.")
    too_late: int = Field(description="Their mail is on its way.")


class DigestPreviewView(_View):
    """A digest's mail as it would go now."""

    recipient: str
    due: datetime | None = Field(description="When it goes; null: it is being sent.")
    total: int = Field(description="Items, shown or not.")
    language: str
    time_zone: str
    problem: str = Field(description="Why it could not be sent at its time.")
    subject: str
    html: str
    text: str


class DigestsApi:
    """Header names are expected in lower case."""

    def __init__(
        self,
        *,
        definitions: Definitions,
        windows: Windows,
        intake: ItemIntake,
        sending: DigestSending,
        previews: DigestPreviews,
        check: Callable[[Message], list[FieldProblem]],
        find_template: Callable[[str], Awaitable[Any]],
    ) -> None:
        """check: what the settings have against a message. find_template: raises
        UnknownTemplateError."""
        self._definitions = definitions
        self._windows = windows
        self._intake = intake
        self._sending = sending
        self._previews = previews
        self._check = check
        self._find_template = find_template

    async def list(self, query: Mapping[str, str]) -> Answer:
        """200 with a page of digests (`limit`, `cursor`)."""
        return await answer(lambda: self._list(query))

    async def _list(self, query: Mapping[str, str]) -> Answer:
        limit, cursor = query.get("limit", "50"), query.get("cursor", "")
        problems = []
        if not re.fullmatch("[0-9]{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MOST_DIGESTS:
            fix = f"Give a number from 1 to {MOST_DIGESTS}."
            problems.append(FieldProblem("limit", "It is no number of digests.", fix))
        if cursor and not is_digest_name(cursor):
            problems.append(FieldProblem("cursor", "It is none.", "Give that of the page before."))
        if problems:
            raise InvalidMessageError(problems, status=400)
        found, following = await self._definitions.page(after=cursor, limit=int(limit))
        view = DigestsView(digests=[_view(one) for one in found], cursor=following or None)
        return json_answer(200, view.model_dump(mode="json"))

    async def put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """201 or 200 with the digest; 412, or 422 with each fault."""
        return await answer(lambda: self._put(name, body, headers))

    async def _put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        check_headers(headers, len(body), _SMALL)
        if not is_digest_name(name):
            fix = "Use up to 63 lower-case letters, digits, dots, dashes and underscores."
            raise InvalidMessageError([FieldProblem("", "The name cannot be used.", fix)])
        definition = _read_definition(body)
        await self._check_definition(definition)
        digest, new = await self._definitions.put(
            name, definition, match=headers.get("if-match", "").strip(),
            new=headers.get("if-none-match", "").strip() == "*",
        )  # fmt: skip
        return _answer(201 if new else 200, digest)

    async def _check_definition(self, definition: Definition) -> None:
        sample = Message(
            sender=definition.sender, to=(definition.sender,), subject="Digest", text="Digest"
        )
        problems = self._check(sample)
        try:
            await self._find_template(definition.template)
        except UnknownTemplateError as error:
            problems = [*problems, FieldProblem("/template", error.detail, error.fix)]
        if problems:
            raise InvalidMessageError(problems)

    async def get(self, name: str) -> Answer:
        """200 with the digest, or 404."""
        return await answer(lambda: self._get(name))

    async def _get(self, name: str) -> Answer:
        return _answer(200, await self._find(name))

    async def delete(self, name: str, query: Mapping[str, str]) -> Answer:
        """204; 409 where items are pending and `?pending=` does not say what becomes of them."""
        return await answer(lambda: self._delete(name, query.get("pending", "")))

    async def _delete(self, name: str, pending: str) -> Answer:
        digest = await self._find(name)
        if pending not in {"", "send", "drop"}:
            problem = FieldProblem("pending", "It is neither send nor drop.", "Choose one.")
            raise InvalidMessageError([problem], status=400)
        if not pending and await self._windows.is_pending(digest.uid):
            raise ConflictError(
                "Items of the digest are pending.",
                fix="Add ?pending=send (they go when they are due) or ?pending=drop.",
            )
        try:
            await self._definitions.end(digest, send=pending != "drop")
        except ChangedError as error:
            raise ConflictError("The digest was changed meanwhile.", fix="Repeat it.") from error
        return Answer(204, b"", headers={"Cache-Control": "no-store"})

    async def post_items(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """202 with what became of the items, or a problem; what is due at once is sent."""
        return await answer(lambda: self._post_items(name, body, headers))

    async def _post_items(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        check_headers(headers, len(body), _BODY_LIMIT)
        key = read_idempotency_key(headers.get("idempotency-key"))
        _check_name(name)
        taken = await self._intake.post(name, body, key=key or "")
        await self._sending.send(taken.due)
        view = ItemsView(
            accepted=taken.accepted, repeated=taken.repeated, unwanted=taken.unwanted
        )  # fmt: skip
        return json_answer(202, view.model_dump(mode="json"))

    async def delete_items(self, name: str, key: str, query: Mapping[str, str]) -> Answer:
        """200 with how many items of a key were taken away, of one `?recipient=` or of all."""
        return await answer(lambda: self._delete_items(name, key, query.get("recipient", "")))

    async def _delete_items(self, name: str, key: str, recipient: str) -> Answer:
        digest = await self._find(name)
        check_sender(digest.definition.sender.email)
        person = _place(digest.uid, recipient).recipient if recipient else ""
        removed, too_late = await self._windows.remove_key(digest.uid, key, person)
        if not (removed or too_late):
            raise NotFoundError(
                "No item of this key is pending.", fix="It was mailed, or never added."
            )
        view = RemovedView(removed=removed, too_late=too_late)
        return json_answer(200, view.model_dump(mode="json"))

    async def preview(self, name: str, query: Mapping[str, str]) -> Answer:
        """200 with the mail that `?recipient=` would get now; nothing is sent."""
        return await answer(lambda: self._preview(name, query.get("recipient", "")))

    async def _preview(self, name: str, recipient: str) -> Answer:
        digest = await self._find(name)
        _place(digest.uid, recipient)
        made = await self._previews.make(name, recipient)
        message = made.message
        view = DigestPreviewView(
            recipient=recipient, due=made.due, total=made.total, language=made.language,
            time_zone=made.time_zone, problem=made.problem, subject=message.subject,
            html=message.html or "", text=message.text or "",
        )  # fmt: skip
        return json_answer(200, view.model_dump(mode="json"))

    async def _find(self, name: str) -> Digest:
        _check_name(name)
        return await self._definitions.get(name)


def _check_name(name: str) -> None:
    if not is_digest_name(name):
        raise NotFoundError("There is no such digest.", fix="GET /api/digests lists them.")


def _place(uid: str, recipient: str) -> Any:
    try:
        return place_of(uid, recipient)
    except AddressError as error:
        problem = FieldProblem("recipient", error.detail, "Give ?recipient=, an e-mail address.")
        raise InvalidMessageError([problem], status=400) from error


def _read_definition(body: bytes) -> Definition:
    try:
        return Definition.model_validate_json(body, by_alias=True, by_name=False)
    except ValidationError as error:
        unreadable = any(fault["type"] == "json_invalid" for fault in error.errors())
        raise InvalidMessageError(list_problems(error), status=400 if unreadable else 422) from None


def _view(digest: Digest) -> DigestView:
    return DigestView(
        name=digest.name, created_at=digest.created_at, changed_at=digest.changed_at,
        definition=digest.definition.model_dump(mode="json", by_alias=True),
    )  # fmt: skip


def _answer(status: int, digest: Digest) -> Answer:
    headers = {"ETag": digest.etag} if digest.etag else {}
    return json_answer(status, _view(digest).model_dump(mode="json"), headers=headers)
