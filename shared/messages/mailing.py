"""Accepts batches: up to 500 messages of one request, with what they share stored once."""

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.composing import content_size, header_size
from shared.concurrency import run_bounded
from shared.errors import (
    ComposeError,
    FieldProblem,
    InvalidMessageError,
    PartlyAcceptedError,
    StorageUnavailableError,
)
from shared.messages.acceptance import Acceptance
from shared.messages.accepted import Accepted
from shared.messages.batch import BatchItem, BatchRequest, read_batch
from shared.messages.batches import Batch, Batches, batch_message_id
from shared.messages.content import SharedContent, content_json
from shared.messages.contents import Contents
from shared.messages.identity import keyed_message_id
from shared.messages.model import Message
from shared.messages.parsing import MAX_PROBLEMS
from shared.messages.prepared import Prepared, Preparing
from shared.settings import Settings
from shared.storage.queues import MAX_BODY

_AT_ONCE = 16  # messages on their way to storage
_BREATH = 20  # messages after which the validation lets other work go on

Faults = Mapping[int, Sequence[FieldProblem]]


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of a batch: by index the messages accepted, and the faults of the others.

    repeated: whether the batch had been posted before.
    """

    accepted: Mapping[int, Accepted]
    faults: Faults
    repeated: bool


class Mailing:
    """Takes batches. A batch that was cut short is completed by repeating it under its key."""

    def __init__(
        self,
        settings: Settings,
        *,
        acceptance: Acceptance,
        preparation: Preparing,
        batches: Batches,
        contents: Contents,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._acceptance = acceptance
        self._preparation = preparation
        self._batches = batches
        self._contents = contents
        self._clock = clock

    async def accept(self, body: bytes, *, key: str | None, caller: str = "") -> BatchAnswer:
        """Accepts a batch: all of it, or what is valid where it is permissive.

        Raises InvalidMessageError where nothing is accepted, ConflictError where the key was used
        for another batch, PartlyAcceptedError where a repeat will complete it.
        """
        request = read_batch(body)
        items, faults = await self._validate(request)
        _refuse(request, items, faults)
        given = key or uuid.uuid4().hex
        batch_id = keyed_message_id("batches", f"{caller}\x00{given}")
        try:
            ready = await self._prepare(request, items, batch_id, faults)
            _refuse(request, ready, faults)
            accepted, new = await self._record(request, ready, batch_id)
        except StorageUnavailableError as error:
            raise PartlyAcceptedError(
                error.detail,
                fix=f'Repeat the very same request with the header "Idempotency-Key: {given}": it '
                "completes the batch, and no message of it is sent twice.",
            ) from error
        return BatchAnswer(accepted, faults, repeated=not new)

    async def _validate(
        self, request: BatchRequest
    ) -> tuple[dict[int, BatchItem], dict[int, list[FieldProblem]]]:
        items: dict[int, BatchItem] = {}
        faults: dict[int, list[FieldProblem]] = {}
        for index in range(len(request.messages)):
            if index % _BREATH == 0:
                await asyncio.sleep(0)
            try:
                item = request.read(index)
            except InvalidMessageError as error:
                faults[index] = list(error.problems)
            else:
                if problems := self._problems(item):
                    faults[index] = [request.placed(problem, index) for problem in problems]
                else:
                    items[index] = item
            if request.mode == "strict" and sum(map(len, faults.values())) >= MAX_PROBLEMS:
                break
        return items, faults

    def _problems(self, item: BatchItem) -> list[FieldProblem]:
        """What the settings have against a message, but for its size."""
        message = item.message
        bare = message.model_copy(
            update={"text": "x", "html": None, "template": None, "attachments": ()}
        )
        return [*self._acceptance.check(bare), *self._preparation.faults(message)]

    async def _prepare(
        self,
        request: BatchRequest,
        items: Mapping[int, BatchItem],
        batch_id: str,
        faults: dict[int, list[FieldProblem]],
    ) -> dict[int, Prepared]:
        """The messages made ready; those that cannot be are added to the faults."""
        made = await self._preparation.prepare_batch(
            {index: item.message for index, item in items.items()},
            {index: batch_message_id(batch_id, index) for index in items},
            batch_id,
        )
        ready: dict[int, Prepared] = {}
        sizes: dict[tuple[object, ...], int] = {}
        for number, (index, outcome) in enumerate(made.items()):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            problems = (
                self._size_problems(outcome.message, sizes)
                if isinstance(outcome, Prepared)
                else outcome
            )
            if problems:
                faults[index] = [request.placed(problem, index) for problem in problems]
            elif isinstance(outcome, Prepared):
                ready[index] = outcome
        return ready

    def _size_problems(
        self, message: Message, sizes: dict[tuple[object, ...], int]
    ) -> list[FieldProblem]:
        """What several messages have is measured once."""
        try:
            key = (message.text, message.html, *map(id, message.attachments), message.event)
            if key not in sizes:
                sizes[key] = content_size(message)
            size = header_size(message) + sizes[key]
        except ComposeError as error:
            return [FieldProblem("", error.detail, error.fix)]
        if size <= self._settings.size_limit:
            return []
        detail = f"It would be {size} bytes as sent; {self._settings.size_limit} are allowed."
        return [FieldProblem("", detail, "Send less, or link to the attachments.")]

    async def _record(
        self, request: BatchRequest, ready: Mapping[int, Prepared], batch_id: str
    ) -> tuple[dict[int, Accepted], bool]:
        """Stores the batch, what its messages share, and each of them; enqueues them."""
        content, items = _share_anew(request, ready)
        shared = _worth_sharing(content) and any(i.inherited for i in items.values())
        batch = Batch(
            batch_id, request.digest, len(request.messages),
            f"batches/{batch_id}.json" if shared else "", self._review_at(items.values()),
        )  # fmt: skip
        new = await self._batches.add(batch)
        if shared:
            await self._contents.keep_shared(batch.blob, content)

        async def admit(index: int) -> Accepted:
            item, message_id = items[index], batch.message_id(index)
            if shared and item.inherited:
                kept = await self._contents.keep_own(
                    message_id, item.message, batch.blob, item.inherited
                )
            else:
                kept = await self._contents.keep(message_id, item.message)
            return await self._acceptance.admit(
                ready[index], message_id, digest=f"{request.digest}-{index}", content=kept
            )

        accepted = await run_bounded(admit, items, at_once=_AT_ONCE)
        return dict(zip(items, accepted, strict=True)), new

    def _review_at(self, items: Collection[BatchItem]) -> datetime:
        """When most likely no message of the batch needs its content any more."""
        now = self._clock()
        last = max(item.message.send_time(now) for item in items)
        return last + timedelta(days=self._settings.content_days + 1)


def _refuse(request: BatchRequest, accepted: Sized, faults: Faults) -> None:
    """Raises InvalidMessageError where the faults are too many for the batch's mode."""
    if accepted and not (faults and request.mode == "strict"):
        return
    problems = dict.fromkeys(problem for index in faults for problem in faults[index])
    raise InvalidMessageError(list(problems)[:MAX_PROBLEMS])


def _share_anew(
    request: BatchRequest, ready: Mapping[int, Prepared]
) -> tuple[SharedContent, dict[int, BatchItem]]:
    """What the messages still share when they are ready: a field that became another one in any
    of them (a rendered template, a masked text) is each message's own."""
    given = request.content.given
    inherited = {index: given.difference(request.messages[index]) for index in ready}
    fields: dict[str, object] = {}
    for name in given:
        values = [getattr(ready[i].message, name) for i in ready if name in inherited[i]]
        if values and values[0] and all(value == values[0] for value in values):
            fields[name] = values[0]
    content = request.content.model_copy(update={n: fields.get(n) for n in given - {"attachments"}})
    content = content.model_copy(update={"attachments": fields.get("attachments", ())})
    items = {
        index: BatchItem(ready[index].message, inherited[index] & fields.keys()) for index in ready
    }
    return content, items


def _worth_sharing(content: SharedContent) -> bool:
    """As for a message by itself: what is larger than a row takes becomes a blob."""
    return bool(content.attachments) or len(content_json(content)) > MAX_BODY
