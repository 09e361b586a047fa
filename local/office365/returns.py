"""Who answers to accepted mail, and how: the rules by which reports reach the sender's mailbox.

bounce-5.1.10@…    an NDR with that status; any status 5.y.z will do
nobody@…           an NDR: no such recipient (5.1.10); niemand@… the same in German
mailbox-full@…     an NDR: the mailbox is full (5.2.2), said by the remote server
slow@…             a notice that delivery is delayed (4.4.7)
complains@…        a complaint (ARF)
away@…             an automatic reply
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from typing import Literal

from local.mailboxes import TenantMailboxes

from .mail import KeptMessage
from .reports import (
    ENGLISH,
    GERMAN,
    Failure,
    Original,
    Words,
    automatic_reply,
    complaint,
    delay_notice,
    non_delivery_report,
)

type Kind = Literal["bounce", "delay", "complaint", "reply"]

_STATUS_ADDRESS = re.compile(r"bounce-(5\.\d{1,3}\.\d{1,3})@", re.IGNORECASE)
_DIAGNOSTICS = {
    "5.1.1": "550 5.1.1 The recipient's address is unknown here",
    "5.1.10": "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address "
    "lookup",
    "5.2.2": "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException",
    "5.2.3": "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
    "5.4.1": "550 5.4.1 Recipient address rejected: Access denied.",
    "5.4.310": "550 5.4.310 DNS domain does not exist",
    "5.7.1": "550 5.7.1 The message was refused by policy",
}


@dataclass(frozen=True, slots=True)
class ReturnRule:
    """What comes back from recipients that match `pattern` (shell-style, any case)."""

    pattern: str
    kind: Kind
    status: str = ""
    diagnostic: str = ""
    remote: bool = False
    words: Words = ENGLISH


RETURN_RULES = (
    ReturnRule("nobody@*", "bounce", "5.1.10"),
    ReturnRule("niemand@*", "bounce", "5.1.10", words=GERMAN),
    ReturnRule("mailbox-full@*", "bounce", "5.2.2", remote=True),
    ReturnRule("slow@*", "delay", "4.4.7", "451 4.4.7 The server there does not answer"),
    ReturnRule("complains@*", "complaint"),
    ReturnRule("away@*", "reply"),
)


class Returns:
    """Answers to accepted mail, after `delay` seconds of `sleep`."""

    def __init__(
        self,
        mailboxes: TenantMailboxes,
        *,
        rules: Sequence[ReturnRule] = RETURN_RULES,
        delay: float = 0.5,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.mailboxes = mailboxes
        self._rules = [(re.compile(translate(rule.pattern.lower())), rule) for rule in rules]
        self._delay = delay
        self._clock = clock
        self._sleep = sleep
        self._under_way: set[asyncio.Task[None]] = set()

    def answer(self, message: KeptMessage) -> None:
        """Sends what the message's recipients make of it on its way to the sender."""
        answers = [
            (rule, address) for address in message.addresses if (rule := self._rule(address))
        ]
        if not answers:
            return
        task = asyncio.create_task(self._deliver(message, answers))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """What is under way does not arrive."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _rule(self, address: str) -> ReturnRule | None:
        if status := _STATUS_ADDRESS.match(address):
            return ReturnRule("", "bounce", status[1])
        for pattern, rule in self._rules:
            if pattern.match(address.lower()):
                return rule
        return None

    async def _deliver(
        self, message: KeptMessage, answers: Sequence[tuple[ReturnRule, str]]
    ) -> None:
        await self._sleep(self._delay)
        for report in _reports(message, answers, self._clock()):
            self.mailboxes.deliver(message.mailbox, report)


def _reports(
    message: KeptMessage, answers: Sequence[tuple[ReturnRule, str]], now: datetime
) -> list[bytes]:
    """One report for all recipients that failed alike; of other kinds, one for each."""
    original = Original.of(message)
    reports = []
    failed: dict[tuple[Kind, str], list[Failure]] = {}
    for rule, address in answers:
        match rule.kind:
            case "complaint":
                reports.append(complaint(original, address, now=now))
            case "reply":
                reports.append(automatic_reply(original, address, now=now))
            case kind:
                key = (kind, rule.words.language)
                failed.setdefault(key, []).append(_failure(rule, address))
    for (kind, language), failures in failed.items():
        if kind == "delay":
            reports.append(delay_notice(original, failures, now=now))
        else:
            words = GERMAN if language == GERMAN.language else ENGLISH
            reports.append(non_delivery_report(original, failures, now=now, words=words))
    return reports


def _failure(rule: ReturnRule, address: str) -> Failure:
    diagnostic = rule.diagnostic or _DIAGNOSTICS.get(
        rule.status, f"550 {rule.status} The recipient cannot be reached"
    )
    remote = f"mx.{address.rpartition('@')[2]}" if rule.remote else ""
    return Failure(address, rule.status, diagnostic, remote)
