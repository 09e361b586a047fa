"""Delivery tests: a probe goes the ordinary way out, and is looked for where it should arrive.

Nothing waits: whoever asks for a test, and a timer, take the next step of those that are open.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.concurrency import run_bounded
from shared.delivery.envelope import Mail
from shared.delivery_tests.observations import observe
from shared.delivery_tests.progress import LIMIT, follow, give_up
from shared.delivery_tests.reading import read_arrival
from shared.delivery_tests.report import DeliveryTest, SpamVerdict
from shared.delivery_tests.trials import Kept, Trials, new_test_id
from shared.errors import (
    AlreadyExistsError,
    ChangedError,
    ConflictError,
    CredentialError,
    FieldProblem,
    InboxError,
    InvalidMessageError,
    MailroomError,
    NotFoundError,
)
from shared.inbox.arrivals import Arrivals
from shared.lint.spamd import Spamd, SpamdError
from shared.messages.acceptance import Acceptance
from shared.messages.identity import keyed_message_id
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from shared.settings import Settings
from shared.storage.connection import StorageConnection

logger = logging.getLogger(__name__)

TOPIC = "delivery-tests"

_CALLER = "delivery-tests"
_BETWEEN = timedelta(seconds=4)  # looks at one mailbox for one test
_AT_ONCE = 4
_MOST_EXPIRED = 500
_TEXT = (
    "This is a delivery test by Mailroom, test {id}. It was asked for to see whether mail from "
    "{sender} arrives, how long it takes and what receiving servers make of it.\n\n"
    "Nothing is to be done. It can be deleted.\n"
)


class DeliveryTests:
    """Begins tests and sees them through. compose: a recorded message as it is handed over;
    arrivals: opened when a mailbox is looked into for the first time."""

    def __init__(
        self,
        settings: Settings,
        storage: StorageConnection,
        *,
        acceptance: Acceptance,
        ledger: Ledger,
        compose: Callable[[MessageRecord, Mapping[str, Any]], Awaitable[Mail]],
        arrivals: Callable[[], Arrivals],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._trials = Trials(storage)
        self._acceptance = acceptance
        self._ledger = ledger
        self._compose = compose
        self._arrivals = arrivals
        self._clock = clock

    async def begin(
        self, *, to: str = "", sender: str = "", key: str | None = None, daily: bool = False
    ) -> tuple[DeliveryTest, bool]:
        """The test, its probe accepted, and whether it had been begun before under this key.

        to: else the first probe mailbox; sender: else the first who may send. Raises
        InvalidMessageError, and ConflictError where the key stands for another test.
        """
        test = self._new(to, sender, daily=daily)
        digest = keyed_message_id(f"{_CALLER} {'daily' if daily else 'asked'}", key) if key else ""
        if digest and (earlier := await self._trials.of_key(digest)):
            return _repeated(earlier.test, test), True
        try:
            await self._trials.add(test, digest)
        except AlreadyExistsError:
            winner = await self._trials.of_key(digest) if digest else None
            if winner is None:
                raise
            return _repeated(winner.test, test), True
        try:
            await self._send(test)
        except InvalidMessageError:
            await self._trials.forget(await self._trials.get(test.id))
            raise
        return test, False

    async def get(self, test_id: str) -> DeliveryTest:
        """The test after its next step, if there is one to take. Raises NotFoundError."""
        kept = await self._trials.get(test_id)
        looked_at = kept.test.looked_at
        if kept.test.ended or (looked_at and self._clock() - looked_at < _BETWEEN):
            return kept.test
        return await self._proceed(kept)

    async def newest(self, *, after: str, limit: int) -> tuple[Sequence[DeliveryTest], str]:
        """A page of tests, newest first, and the cursor of the next one; nothing is looked for."""
        return await self._trials.newest(after=after, limit=limit)

    async def run(self) -> None:
        """The timer's work: the next step of each open test."""
        await run_bounded(self._step, await self._trials.open(), at_once=_AT_ONCE)

    async def run_daily(self) -> None:
        """Begins the day's tests, one for each probe mailbox, if the settings ask for them."""
        if not self._settings.delivery_test_daily:
            return
        if not self._settings.delivery_test_mailboxes:
            logger.error(
                "No daily delivery test: set MAILROOM_DELIVERY_TEST_MAILBOXES, or "
                "MAILROOM_DELIVERY_TEST_DAILY=false."
            )
        day = self._clock().date().isoformat()
        for mailbox in self._settings.delivery_test_mailboxes:
            try:
                await self.begin(to=mailbox, key=f"{day} {mailbox}", daily=True)
            except InvalidMessageError as error:
                logger.error("the daily delivery test cannot be sent: %s", error)  # noqa: TRY400

    async def delete_expired(self, now: datetime) -> int:
        """Deletes tests that are older than messages' timelines get; returns how many."""
        before, deleted = now - timedelta(days=self._settings.timeline_days), 0
        async for kept in self._trials.expired(before, limit=_MOST_EXPIRED):
            await self._trials.forget(kept)
            deleted += 1
        return deleted

    def _new(self, to: str, sender: str, *, daily: bool) -> DeliveryTest:
        settings = self._settings
        to = to or next(iter(settings.delivery_test_mailboxes), "")
        if not to:
            fix = "Name one, or set MAILROOM_DELIVERY_TEST_MAILBOXES."
            raise InvalidMessageError([FieldProblem("/to", "It has no recipient.", fix)])
        named = [one for one in settings.senders if not one.startswith("*@")]
        readable = {one.lower() for one in settings.delivery_test_mailboxes}
        now = self._clock()
        test_id = new_test_id(now)
        return DeliveryTest(
            id=test_id, status="sending", to=to, sender=sender or [*named, *settings.mailboxes][0],
            asked_at=now, daily=daily, message_id=keyed_message_id(_CALLER, test_id),
            readable=settings.returned_mail != "off" and to.lower() in readable,
        )  # fmt: skip

    async def _send(self, test: DeliveryTest) -> None:
        """Hands the probe to the acceptance; as often as one likes, since its key is the test's."""
        probe = {
            "from": {"email": test.sender},
            "to": [{"email": test.to}],
            "subject": f"Delivery test {test.asked_at:%Y-%m-%d %H:%M:%S} UTC",
            "text": _TEXT.format(id=test.id, sender=test.sender),
            "topic": TOPIC,
            "unsubscribe": True,  # so that the fields are there which a signature should cover
        }
        await self._acceptance.accept(json.dumps(probe).encode(), key=test.id, caller=_CALLER)

    async def _step(self, test_id: str) -> None:
        kept = await self._trials.find(test_id)
        if kept is None or kept.test.ended:
            return
        try:
            await self._proceed(kept)
        except MailroomError as error:  # the others go on
            logger.warning("a delivery test cannot go on: %s", error, extra={"test": test_id})

    async def _proceed(self, kept: Kept) -> DeliveryTest:
        now = self._clock()
        record = await self._ledger.get(kept.test.message_id)
        if record is None and now - kept.test.asked_at < LIMIT:
            await self._send(kept.test)  # begun, and the process ended before this
            record = await self._ledger.get(kept.test.message_id)
        test = follow(kept.test, record, now)
        if test.status == "waiting" and record is not None:
            test = await self._look(test, record)
        if test.status in {"sending", "waiting"}:
            test = give_up(test, record, now)
        try:
            await self._trials.change(kept, test)
        except ChangedError:
            return (await self._trials.get(test.id)).test
        return test

    async def _look(self, test: DeliveryTest, record: MessageRecord) -> DeliveryTest:
        ids = [one for one in (record.message_id, record.server_id) if one]
        try:
            found = await self._arrivals().find(test.to, list(dict.fromkeys(ids)))
        except (InboxError, CredentialError) as error:
            return test.model_copy(update={"detail": error.detail, "fix": error.fix})
        if found is None:
            return test.model_copy(update={"detail": "", "fix": ""})
        place, mail = found
        arrival = read_arrival(
            mail.content, folder=place, arrived_at=mail.received_at,
            sent=await self._as_sent(test.message_id), sent_at=test.sent_at,
        )  # fmt: skip
        if self._settings.spamd:
            spam = await score(self._settings.spamd, mail.content)
            arrival = arrival.model_copy(update={"spam": spam})
        ended = {"status": "arrived", "ended_at": self._clock(), "detail": "", "fix": ""}
        return test.model_copy(
            update={**ended, "arrival": arrival, "observations": observe(arrival)}
        )

    async def _as_sent(self, message_id: str) -> bytes | None:
        found = await self._ledger.get_with_content(message_id)
        try:
            return (await self._compose(*found)).content if found else None
        except NotFoundError:
            return None  # its content is not kept any more


async def score(address: str, content: bytes) -> SpamVerdict:
    """SpamAssassin's score; where spamd does not give one, why."""
    try:
        found = await Spamd(address).score(content)
    except SpamdError as error:
        return SpamVerdict(problem=error.detail)
    return SpamVerdict(score=found.score, threshold=found.threshold, tests=found.tests[:20])


def _repeated(earlier: DeliveryTest, asked: DeliveryTest) -> DeliveryTest:
    if (earlier.to, earlier.sender) != (asked.to, asked.sender):
        raise ConflictError(
            f"The idempotency key stands for another delivery test, {earlier.id}.",
            fix="Use a new key for a new test.",
        )
    return earlier
