"""Queue listeners with the semantics of Azure's storage queue trigger (extension 5.3).

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.functions.bindings import FunctionDefinition, QueueTrigger
from local.functions.claims import Claim
from local.functions.outputs import send_creating
from local.functions.protocol import TypedData
from local.functions.settings import QueueSettings
from local.functions.worker import InvocationResult

_log = logging.getLogger("Host.Queues")
_FIRST_DELAY = 0.1


class Runner(Protocol):
    async def run(
        self,
        function: FunctionDefinition,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        reason: str,
    ) -> InvocationResult: ...


class Backoff:
    """The wait between empty polls: 100 ms, doubling with ± 20 % to the longest."""

    def __init__(self, longest: timedelta, chance: random.Random) -> None:
        self._longest = longest.total_seconds()
        self._chance = chance
        self._next = _FIRST_DELAY

    def reset(self) -> None:
        self._next = _FIRST_DELAY

    def next(self) -> float:
        delay = min(self._next, self._longest)
        self._next = min(self._next * 2 * self._chance.uniform(0.8, 1.2), self._longest)
        return delay


class QueueListener:
    """Feeds one function from one queue: at most batch size + threshold messages at a time."""

    def __init__(
        self,
        function: FunctionDefinition,
        service: QueueServiceClient,
        settings: QueueSettings,
        runner: Runner,
        *,
        claim: timedelta,
        chance: random.Random | None = None,
    ) -> None:
        assert isinstance(function.trigger, QueueTrigger)
        self._function = function
        self._trigger = function.trigger
        self._queue = service.get_queue_client(self._trigger.queue)
        self._poison: QueueClient | None = None
        if not self._trigger.queue.endswith("-poison"):
            self._poison = service.get_queue_client(f"{self._trigger.queue}-poison")
        self._settings = settings
        self._runner = runner
        self._claim = claim
        # Spreads polls of several hosts; no secret is drawn from it.
        self._backoff = Backoff(settings.max_polling_interval, chance or random.Random())
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = False
        self._trouble = ""

    @property
    def queue(self) -> str:
        return self._trigger.queue

    def stop(self) -> None:
        """Take no more messages. What was received is still run: the claim is made."""
        self._stopping = True
        self._wake.set()
        self._room.set()

    def notify(self) -> None:
        """Poll at once: this host has just put a message there."""
        self._backoff.reset()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until every received message is deleted, released or poisoned."""
        while self._running:
            await asyncio.wait(self._running)

    async def run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._running.add(task)
                task.add_done_callback(self._ended)
            if messages:
                self._backoff.reset()
                await self._wait_for_room()
            else:
                await self._sleep(self._backoff.next())

    async def _receive(self) -> list[QueueMessage]:
        try:
            pages = self._queue.receive_messages(
                messages_per_page=self._settings.batch_size,
                visibility_timeout=max(1, round(self._claim.total_seconds())),
            ).by_page()
            async for page in pages:
                received = [message async for message in page]
                self._tell_trouble("")
                return received
        except ResourceNotFoundError:
            self._tell_trouble("The queue does not exist yet: waiting for it.")
        except AzureError as error:
            self._tell_trouble(f"The queue cannot be read: {error}")
        return []

    def _tell_trouble(self, trouble: str) -> None:
        """Once, not at every poll."""
        if trouble != self._trouble:
            self._trouble = trouble
            level = logging.WARNING if trouble else logging.INFO
            _log.log(level, "%s: %s", self.queue, trouble or "The queue can be read.")

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._settings.new_batch_threshold and not self._stopping:
            self._room.clear()
            await self._room.wait()

    async def _sleep(self, seconds: float) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("%s: a message could not be settled", self.queue, exc_info=error)

    async def _process(self, message: QueueMessage) -> None:
        claim = Claim(self._queue, message, self._claim)
        try:
            if self._poison and (message.dequeue_count or 0) > self._settings.max_dequeue_count:
                await self._move_to_poison(claim, "its tries are used up")
                return
            try:
                body = decode(message.content, base64_encoded=self._settings.base64)
            except ValueError as error:
                await self._refuse(claim, str(error))
                return
            claim.keep()
            result = await self._runner.run(
                self._function,
                value_of(body, self._trigger),
                metadata_of(message, body),
                reason=f"New queue message on '{self.queue}'",
            )
            await self._settle(claim, result)
        except AzureError as error:
            # The claim runs out and the message comes again: at least once is the contract.
            _log.error("%s: message %s is not settled: %s", self.queue, message.id, error)
        finally:
            await claim.close()

    async def _settle(self, claim: Claim, result: InvocationResult) -> None:
        if result.succeeded:
            await claim.delete()
        elif result.abandoned:
            await claim.release(timedelta(0))
        elif self._poison and claim.dequeue_count >= self._settings.max_dequeue_count:
            await self._move_to_poison(claim, f"it failed {claim.dequeue_count} times")
        else:
            await claim.release(self._settings.visibility_timeout)

    async def _refuse(self, claim: Claim, reason: str) -> None:
        if self._poison:
            await self._move_to_poison(claim, reason)
        else:
            _log.error("%s: message %s stays: %s", self.queue, claim.id, reason)

    async def _move_to_poison(self, claim: Claim, reason: str) -> None:
        assert self._poison is not None
        _log.warning(
            "%s: message %s goes to '%s': %s",
            self.queue,
            claim.id,
            self._poison.queue_name,
            reason,
        )
        await send_creating(self._poison, claim.content)
        await claim.delete()


def decode(content: str, *, base64_encoded: bool) -> bytes:
    """A message's body as bytes. Raises ValueError naming the fix for undecodable base64."""
    if not base64_encoded:
        return content.encode()
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            f"its body is not base64 ({error}), which host.json's messageEncoding demands: "
            f"encode it, or set extensions.queues.messageEncoding to none"
        ) from error


def value_of(body: bytes, trigger: QueueTrigger) -> TypedData:
    """The trigger's value: text (undecodable bytes replaced, as in Azure), or bytes if asked."""
    return TypedData(bytes=body) if trigger.binary else TypedData(string=_text(body))


def metadata_of(message: QueueMessage, body: bytes) -> dict[str, TypedData]:
    """The trigger's metadata; properties of a JSON body take the place of those of equal name."""
    text = _text(body)
    metadata = {
        "QueueTrigger": TypedData(string=text),
        "DequeueCount": TypedData(json=str(message.dequeue_count or 0)),
        "ExpirationTime": _json_time(message.expires_on),
        "Id": TypedData(string=message.id),
        "InsertionTime": _json_time(message.inserted_on),
        "NextVisibleTime": _json_time(message.next_visible_on),
        "PopReceipt": TypedData(string=message.pop_receipt),
    }
    for name, value in _json_properties(text).items():
        known = next((key for key in metadata if key.lower() == name.lower()), name)
        metadata[known] = value
    return metadata


def _json_properties(text: str) -> dict[str, TypedData]:
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return {}
    try:
        parsed = json.loads(stripped)
    except ValueError:
        return {}
    return {
        name: TypedData(json=json.dumps(value))
        if isinstance(value, dict)
        else TypedData(string=value if isinstance(value, str) else str(value))
        for name, value in parsed.items()
        if value is not None and not isinstance(value, list)
    }


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _json_time(moment: datetime | None) -> TypedData:
    return TypedData(json=json.dumps(moment.isoformat() if moment else None))
