"""Sessions that stay open: reused across messages and invocations, a few for each mailbox."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.delivery.replies import read_reply
from shared.delivery.session import SessionError, SignIn, SmtpSession
from shared.errors import MailroomError

logger = logging.getLogger(__name__)

# Opens a session; told the sign-in that the server has just refused, it gets another.
SessionOpener = Callable[[SignIn], Awaitable[SmtpSession]]
SignInSource = Callable[[str, SignIn | None], Awaitable[SignIn]]

_CHECK_AFTER = timedelta(seconds=5)  # idle for longer: ask with NOOP before use
_IDLE_LIMIT = timedelta(seconds=60)
_AGE_LIMIT = timedelta(minutes=30)
_TOKEN_MARGIN = timedelta(minutes=2)  # a session ends this long before its token
_SWEEP = 15.0  # seconds; permits are leases of a minute and more


class Permits(Protocol):
    """Leave to have sessions open, since all instances share a mailbox's three."""

    async def allow(self, mailbox: str, sessions: int) -> int: ...

    async def keep(self, mailboxes: Collection[str]) -> list[str]: ...


@dataclass(slots=True, eq=False)
class _Pooled:
    session: SmtpSession
    ends: datetime
    used: datetime


@dataclass(slots=True)
class _Lane:
    """The sessions of one mailbox. open: those that are open or being opened."""

    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    idle: list[_Pooled] = field(default_factory=list)
    open: int = 0
    outlived: bool = False  # its permit is gone: what comes back is closed


class SessionPool:
    """At most `size` sessions a mailbox, opened when needed, closed when idle, old or outlived.

    It belongs to one event loop.
    """

    def __init__(
        self,
        open_session: SessionOpener,
        sign_in: SignInSource,
        *,
        permits: Permits,
        size: int,
        clock: Callable[[], datetime],
        idle_limit: timedelta = _IDLE_LIMIT,
    ) -> None:
        self._open_session = open_session
        self._sign_in = sign_in
        self._permits = permits
        self._size = size
        self._clock = clock
        self._idle_limit = idle_limit
        self._lanes: dict[str, _Lane] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def session(self, mailbox: str) -> AsyncIterator[SmtpSession]:
        """A session of the mailbox, for one mail; waits while all that it may have are taken.

        Raises SessionError where none can be opened, CredentialError where there is no token.
        """
        lane = self._lanes.setdefault(mailbox, _Lane())
        pooled = await self._take(lane, mailbox)
        try:
            yield pooled.session
        except BaseException:
            pooled.session.abort()  # in the middle of something: nobody can go on from there
            await self._give_back(lane, pooled)
            raise
        await self._give_back(lane, pooled)

    async def _take(self, lane: _Lane, mailbox: str) -> _Pooled:
        async with lane.changed:
            while True:
                pooled = await self._take_idle(lane)
                if pooled is not None:
                    return pooled
                if lane.open < self._size:
                    allowed = await self._permits.allow(mailbox, lane.open + 1)
                    if allowed > lane.open:
                        break
                    if lane.open == 0:
                        raise SessionError(
                            "Other instances have all of the mailbox's connections.",
                            stage="connect",
                            fix="Nothing is to be done: it is tried again.",
                        )
                await lane.changed.wait()
            lane.open += 1
            lane.outlived = False
        try:
            return await self._open(mailbox)
        except BaseException:
            await self._closed_one(lane)
            raise

    async def _take_idle(self, lane: _Lane) -> _Pooled | None:
        while lane.idle:
            pooled = lane.idle.pop()
            idle = self._clock() - pooled.used
            if self._fit(lane, pooled) and (
                idle < _CHECK_AFTER or await self._answers(pooled.session)
            ):
                return pooled
            lane.open -= 1
            await pooled.session.aclose()
        return None

    @staticmethod
    async def _answers(session: SmtpSession) -> bool:
        try:
            return await session.check()
        except BaseException:
            session.abort()  # nobody has it any more
            raise

    async def _open(self, mailbox: str) -> _Pooled:
        sign_in = await self._sign_in(mailbox, None)
        try:
            session = await self._open_session(sign_in)
        except SessionError as error:
            # A token can be refused for its own sake (rotated keys, changed roles): once, another.
            if error.stage != "auth" or error.reply is None:
                raise
            if read_reply(error.reply).action != "credentials":
                raise
            refused, sign_in = sign_in, await self._sign_in(mailbox, sign_in)
            if sign_in.secret == refused.secret:  # just renewed: the token is not the cause
                raise
            logger.warning("sign-in refused; a fresh token is tried", extra={"reply": str(error)})
            session = await self._open_session(sign_in)
        now = self._clock()
        ends = now + _AGE_LIMIT
        if sign_in.until is not None:
            ends = min(ends, sign_in.until - _TOKEN_MARGIN)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return _Pooled(session, ends, now)

    async def _give_back(self, lane: _Lane, pooled: _Pooled) -> None:
        pooled.used = self._clock()
        if self._closed or not self._fit(lane, pooled):
            await pooled.session.aclose()
            await self._closed_one(lane)
            return
        async with lane.changed:
            lane.idle.append(pooled)
            lane.changed.notify()

    async def _closed_one(self, lane: _Lane) -> None:
        async with lane.changed:
            lane.open -= 1
            lane.changed.notify()

    def _fit(self, lane: _Lane, pooled: _Pooled) -> bool:
        return pooled.session.usable and not lane.outlived and self._clock() < pooled.ends

    async def _sweep(self) -> None:
        """Renews permits and closes what is idle too long, until nothing is open."""
        while any(lane.open for lane in self._lanes.values()):
            await asyncio.sleep(min(_SWEEP, self._idle_limit.total_seconds() / 4))
            for lane in self._lanes.values():
                await self._close_stale(lane)
            try:
                await self._keep_permits()
            except MailroomError as error:
                logger.warning("permits not renewed: %s", error)

    async def _close_stale(self, lane: _Lane) -> None:
        now = self._clock()
        stale = [
            pooled
            for pooled in lane.idle
            if now - pooled.used > self._idle_limit or not self._fit(lane, pooled)
        ]
        lane.idle = [pooled for pooled in lane.idle if pooled not in stale]
        for pooled in stale:
            await pooled.session.aclose()
            await self._closed_one(lane)

    async def _keep_permits(self) -> None:
        for mailbox in await self._permits.keep(
            [m for m, lane in self._lanes.items() if lane.open]
        ):
            self._lanes[mailbox].outlived = True
            await self._close_stale(self._lanes[mailbox])

    async def aclose(self) -> None:
        """Closes every idle session. Sessions in use close when they come back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in self._lanes.values():
            idle, lane.idle = lane.idle, []
            lane.open -= len(idle)
            for pooled in idle:
                await pooled.session.aclose()
