"""The parts of digests, joined."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.concurrency import run_bounded
from shared.digests.definitions import Definitions
from shared.digests.intake import ItemIntake
from shared.digests.preview import DigestPreviews, Rendering
from shared.digests.recipients import Readers, WishSource
from shared.digests.sending import Accepting, DigestSending, Enqueuing, PageLinks
from shared.digests.windows import Windows
from shared.messages.ledger import PARTITIONS
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import DIGEST_ITEMS, POISON
from shared.storage.queues import Queue

_PAGE = 1000


class Digests:
    """What triggers, and the API of digests, call."""

    def __init__(
        self,
        settings: Settings,
        storage: StorageConnection,
        *,
        acceptance: Accepting,
        outbox: Enqueuing,
        rendering: Rendering,
        wishes: WishSource,
        links: PageLinks,
        clock: Callable[[], datetime],
    ) -> None:
        """wishes: recipients' preferences. links: to the page where they say them."""
        self.definitions = definitions = Definitions(storage, clock=clock)
        self.windows = windows = Windows(storage)
        readers = Readers(settings, wishes)
        self.intake = ItemIntake(
            definitions=definitions, windows=windows, readers=readers,
            poison=Queue(storage, DIGEST_ITEMS + POISON), clock=clock,
        )  # fmt: skip
        self.sending = DigestSending(
            definitions=definitions, windows=windows, readers=readers, acceptance=acceptance,
            outbox=outbox, links=links, lease=timedelta(seconds=settings.lease), clock=clock,
        )  # fmt: skip
        self.previews = DigestPreviews(
            definitions=definitions, windows=windows, readers=readers, rendering=rendering,
            links=links, clock=clock,
        )  # fmt: skip

    async def take(self, body: bytes, *, queue_id: str) -> None:
        """Takes the items of a queue message, and sends what is due at once."""
        taken = await self.intake.handle(body, queue_id=queue_id)
        if taken is not None:
            await self.sending.send(taken.due)

    async def delete_expired(self, now: datetime) -> int:
        """Forgets what need not be remembered any more: ids of items, digests that have ended."""

        async def forget(partition: str) -> int:
            return await self.windows.forget(partition, now, limit=_PAGE)

        counts = await run_bounded(forget, PARTITIONS, at_once=len(PARTITIONS))
        return sum(counts) + await self.definitions.forget(now)
