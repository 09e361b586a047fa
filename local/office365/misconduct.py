"""Where faults meet the session: each step of it may be replaced, cut short or held up."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from . import replies
from .content import Receiver
from .exchange import Exchange
from .faults import Fault
from .replies import Reply
from .session import Session, Step, settled

_COMMANDS = frozenset({"ehlo", "starttls", "auth", "mail", "rcpt", "data", "rset", "noop", "quit"})


class Misconduct:
    """A session seen through the faults that are switched on; without any it is the session."""

    def __init__(self, exchange: Exchange, session: Session) -> None:
        self._exchange = exchange
        self._faults = exchange.faults
        self._session = session
        self._body: tuple[Receiver, Fault | None] | None = None

    def greet(self) -> Step:
        """Open the session (stages "connect" and "greeting")."""
        step: Callable[[], Step] = self._session.greeting
        if self._faults:
            for stage in ("greeting", "connect"):
                if fault := self._take(stage):
                    step = self._struck(fault, step)
        return step()

    def command(self, line: bytes, *, more: bool) -> Step | None:
        """Obey a command line."""
        if self._faults:
            stage = self._session.stage(line)
            if stage in _COMMANDS and (fault := self._take(stage, line)):
                # BDAT is the only command without a reply of its own, and is no stage here.
                return self._struck(
                    fault, lambda: self._session.command(line, more=more) or replies.SILENCE
                )()
        return self._session.command(line, more=more)

    def in_body(self, receiver: Receiver) -> Step | None:
        """Look at a body that has begun to arrive (stage "body")."""
        if not self._faults:
            return None
        if self._body is None or self._body[0] is not receiver:
            self._body = (receiver, self._take("body"))
        fault = self._body[1]
        if fault is None or receiver.received < fault.after_octets:
            return None
        self._body = (receiver, None)
        return self._struck(fault, lambda: replies.SILENCE)()

    def end_of_body(self) -> Step:
        """Answer a complete body (stages "bdat" and "end-of-data")."""
        step: Callable[[], Step] = self._session.end_of_body
        if self._faults:
            for stage in reversed(self._session.body_stages()):
                if fault := self._take(stage):
                    step = self._struck(fault, step, self._session.abandon_body)
        return step()

    def after_reply(self) -> Step | None:
        """Look at a connection whose message was just answered (stage "after-reply")."""
        if self._faults and (fault := self._take("after-reply")):
            return self._struck(fault, lambda: replies.SILENCE)()
        return None

    def _take(self, stage: str, argument: bytes = b"") -> Fault | None:
        return self._faults.take(stage, self._session.mailbox, argument)

    def _struck(
        self, fault: Fault, proceed: Callable[[], Step], abandon: Callable[[], None] | None = None
    ) -> Callable[[], Step]:
        async def strike() -> Reply:  # noqa: PLR0911 - one for each action
            self._exchange.counters.faults += 1
            match fault.action:
                case "reply" | "421":
                    if abandon is not None:
                        abandon()
                    return (
                        Reply.parse(fault.reply) if fault.action == "reply" else replies.NOT_ACTIVE
                    )
                case "drop":
                    return replies.CUT
                case "hang":
                    await asyncio.sleep(fault.seconds)
                    return await settled(proceed())
            reply = await settled(proceed())
            match fault.action:
                case "accept-and-drop":
                    return replies.CUT
                case "accept-and-hang":
                    await asyncio.sleep(fault.seconds)
                case "drop-after-reply":
                    return replace(reply, after="abort")
                case "slow":
                    return replace(reply, trickle=fault.seconds)
            return reply

        return strike
