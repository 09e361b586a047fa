"""The queue `outbound-mail`: references to recorded messages, and messages of other services."""

import base64
import binascii
import json
import logging

from shared.delivery.delivery import Delivery
from shared.errors import ConflictError, InvalidMessageError, StorageUnavailableError
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.identity import read_queue_reference
from shared.messages.outbox import Outbox
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)

_MAX_POISON = 60 * 1024  # of the 64 KiB that a queue message may have


class Outbound:
    """Handles what comes from the queue; whatever it is, nothing of it is lost."""

    def __init__(
        self,
        *,
        acceptance: Acceptance,
        contents: Contents,
        delivery: Delivery,
        outbox: Outbox,
        poison: Queue,
    ) -> None:
        self._acceptance = acceptance
        self._contents = contents
        self._delivery = delivery
        self._outbox = outbox
        self._poison = poison

    async def handle(self, body: bytes, *, queue_id: str) -> None:
        """Delivers what the queue message stands for. May be repeated without harm.

        An error that escapes (storage is away) leaves the message on the queue for another time.
        """
        body = decode_body(body)
        message_id = read_queue_reference(body)
        if message_id is not None:
            await self._delivery.deliver(message_id)
            return
        try:
            record = await self._acceptance.accept_queued(body, queue_id=queue_id)
        except (InvalidMessageError, ConflictError) as error:
            await self._refuse(body, queue_id, error)
            return
        if record.final:  # every recipient is suppressed
            return
        if record.not_before is not None:
            await self._outbox.enqueue(record)
            return
        try:
            await self._delivery.deliver(record.id)
        except StorageUnavailableError as error:
            # Recorded, it is due: `reconcile` goes on with it. If this queue message came back
            # instead until it were poisoned, a second record would be made of it.
            logger.warning("left to reconcile: %s", error, extra={"message_id": record.id})

    async def _refuse(
        self, body: bytes, queue_id: str, error: InvalidMessageError | ConflictError
    ) -> None:
        message_id = await self._acceptance.refuse_queued(
            body, queue_id=queue_id, reason=error.detail, fix=error.fix
        )
        problems = error.problems if isinstance(error, InvalidMessageError) else ()
        poison = {
            "message_id": message_id,
            "reason": error.detail[:2000],
            "problems": [
                {"pointer": p.field, "detail": p.detail, "fix": p.fix} for p in problems[:10]
            ],
            "original": base64.b64encode(body).decode(),
        }
        text = json.dumps(poison)
        if len(text) > _MAX_POISON:
            poison["original_blob"] = await self._contents.keep_refused(message_id, body)
            del poison["original"]
            text = json.dumps(poison)
        await self._poison.send(text)
        logger.warning("queue message refused", extra={"message_id": message_id})


def decode_body(body: bytes) -> bytes:
    """The JSON of a queue message, which may be plain or base64."""
    text = body.strip()
    if text.startswith((b"{", b"[")):
        return text
    try:
        return base64.b64decode(text, validate=True).strip()
    except (binascii.Error, ValueError):
        return text
