"""A run over the mailboxes: what came back is fetched, handed over, and put away."""

import logging
import traceback
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from shared.concurrency import run_bounded
from shared.errors import (
    ChangedError,
    CredentialError,
    CredentialUnavailableError,
    InboxError,
    InboxUnavailableError,
    StorageUnavailableError,
)
from shared.inbox.checkpoints import Checkpoints, Hold, Progress
from shared.inbox.mail import FetchedMail, Intake
from shared.inbox.source import MailSource, OpenMailbox, Step
from shared.settings import Settings

logger = logging.getLogger(__name__)

RUN = timedelta(seconds=45)

_MAILBOXES_AT_ONCE = 4
_CHECKPOINT_EVERY = 10  # mails: so many are handed over again after a crash
_TRIES = 3
_PAUSE = timedelta(minutes=5)  # after what only an operator can mend


class ParksMail(Protocol):
    """Keeps mail that the intake fails at, for people to look at."""

    async def park(self, mail: FetchedMail) -> str:
        """Where it is kept. May be called again for the same mail."""
        ...


@dataclass(slots=True)
class MailboxRun:
    """What a run did with one mailbox. `problem` is "" where all went well."""

    mailbox: str
    read: int = 0
    taken: int = 0
    parked: int = 0
    problem: str = ""
    pause: timedelta = timedelta(0)
    keeps_mail: bool = False  # marking and moving was refused: not tried again


class _UnhandledError(Exception):
    """The intake failed in a way that nobody expects; the folder waits for the next run."""

    def __init__(self, progress: Progress) -> None:
        super().__init__("the mail could not be handled")
        self.progress = progress


class ReturnedMailReader:
    """Reads all mailboxes of the settings, once a minute; any number of instances may try."""

    def __init__(
        self,
        settings: Settings,
        *,
        source: MailSource,
        intake: Intake,
        checkpoints: Checkpoints,
        parking: ParksMail,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._source = source
        self._intake = intake
        self._checkpoints = checkpoints
        self._parking = parking
        self._clock = clock

    async def run(self) -> list[MailboxRun]:
        """Each mailbox by itself: one that fails does not stop the others. Logs, never raises.

        Those whose turn does not come within the run's time are first in one of the next runs.
        """
        mailboxes = self._settings.read_mailboxes
        now = self._clock()
        first = int(now.timestamp() // 60) * _MAILBOXES_AT_ONCE % len(mailboxes)
        turns = (*mailboxes[first:], *mailboxes[:first])
        runs = await run_bounded(
            partial(self._run_mailbox, now + RUN), turns, at_once=_MAILBOXES_AT_ONCE
        )
        return sorted(runs, key=lambda run: mailboxes.index(run.mailbox))

    async def _run_mailbox(self, ends: datetime, mailbox: str) -> MailboxRun:
        run = MailboxRun(mailbox)
        if self._clock() >= ends:
            return run
        try:
            hold = await self._checkpoints.acquire(mailbox)
            if hold is None:
                return run
            try:
                await self._read(run, hold, ends)
            finally:
                await hold.release(pause=run.pause, problem=run.problem)
        except ChangedError:
            run.problem = "Another instance has taken the mailbox over."
        except StorageUnavailableError as error:
            run.problem = str(error)
        if run.problem:
            logger.warning("The mailbox %s was not read to its end: %s", mailbox, run.problem)
        if run.read:
            logger.info(
                "Read %d mails of the mailbox %s, %d of them for Mailroom.",
                run.read, mailbox, run.taken, extra={"parked": run.parked},
            )  # fmt: skip
        return run

    async def _read(self, run: MailboxRun, hold: Hold, ends: datetime) -> None:
        """Reads the folders in turn; what is in the way is told by `run.problem`."""
        try:
            async with self._source.open(run.mailbox) as mailbox:
                # A long backlog in one folder must not keep the others waiting. The first one,
                # usually the fullest, comes last: it has what the others leave of the time.
                waiting = list(self._settings.returned_folders)
                while waiting:
                    share = (ends - self._clock()) / len(waiting)
                    folder = waiting.pop()
                    await self._read_folder(run, hold, mailbox, folder, self._clock() + share)
        except (StorageUnavailableError, ChangedError):
            raise
        except (InboxUnavailableError, CredentialUnavailableError) as error:
            run.problem = str(error)
            run.pause = timedelta(seconds=error.retry_after or 0)
        except (InboxError, CredentialError) as error:
            run.problem, run.pause = str(error), _PAUSE
        except Exception:
            logger.exception("Reading the mailbox %s failed.", run.mailbox)
            run.problem, run.pause = "An unexpected error; see the log.", _PAUSE

    async def _read_folder(
        self, run: MailboxRun, hold: Hold, mailbox: OpenMailbox, folder: str, ends: datetime
    ) -> None:
        kind = self._source.kind
        saved = progress = await hold.progress(kind, folder)
        since = self._clock() - timedelta(days=self._settings.returned_lookback)
        most = run.read + self._settings.returned_per_run
        unsaved = 0
        try:
            async with aclosing(mailbox.read(folder, progress.position, since=since)) as steps:
                async for step in steps:
                    progress = await self._take(run, mailbox, step, progress)
                    unsaved += 1
                    if unsaved >= _CHECKPOINT_EVERY:
                        await hold.save(kind, folder, progress)
                        saved, unsaved = progress, 0
                    if run.read >= most or self._clock() >= ends:
                        break
        except _UnhandledError as error:
            progress = error.progress
            run.problem = "A mail could not be handled; see the log."
        finally:
            if progress != saved:
                await hold.save(kind, folder, progress)

    async def _take(
        self, run: MailboxRun, mailbox: OpenMailbox, step: Step, before: Progress
    ) -> Progress:
        """Hands a mail over; returns what is so when that has been done."""
        mail = step.mail
        if mail is None:
            return Progress(step.position, before.failing, before.failures)
        run.read += 1
        try:
            taken = await self._intake.take(mail)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 (told to the log, and bounded)
            failures = before.failures + 1 if before.failing == mail.key else 1
            _log_unhandled(mail, error, failures)
            if failures < _TRIES:
                raise _UnhandledError(Progress(before.position, mail.key, failures)) from None
            name = await self._parking.park(mail)
            logger.error("The mail is kept as %s, and the next one read.", name)  # noqa: TRY400
            run.parked += 1
            return Progress(step.position)
        if taken:
            run.taken += 1
            await self._put_away(run, mailbox, mail)
        return Progress(step.position)

    async def _put_away(self, run: MailboxRun, mailbox: OpenMailbox, mail: FetchedMail) -> None:
        """Marks or moves a mail that was for Mailroom. Where that is refused it stays."""
        disposal = self._settings.returned_disposal
        if disposal == "leave" or run.keeps_mail:
            return
        try:
            if disposal == "read":
                await mailbox.mark_read(mail)
            else:
                await mailbox.move(mail, self._settings.returned_folder)
        except InboxUnavailableError:
            raise
        except InboxError as error:
            run.keeps_mail = True
            run.problem = str(error)


def _log_unhandled(mail: FetchedMail, error: Exception, failures: int) -> None:
    """Where the error came from, without its text: it may quote the mail."""
    logger.error(
        "A mail of the mailbox %s could not be handled (%s), try %d of %d.",
        mail.mailbox, type(error).__name__, failures, _TRIES,
        extra={"key": mail.key, "at": "".join(traceback.format_tb(error.__traceback__))[-4000:]},
    )  # fmt: skip
