"""The queue `bounce-events`: what becomes of a recipient who cannot be reached.

Each event becomes an entry of the message's timeline; an address that is dead is suppressed, one
that is in trouble for a time. Whoever publishes, the hand-over or the reader of returned mail, both
come here.
"""

import logging
import re
from dataclasses import dataclass

from shared.delivery.replies import Reply, read_reply
from shared.events import BOUNCED, Event, InvalidEventError, read_event
from shared.feedback.aftermath import (
    Aftermath,
    EventQueue,
    check_type,
    entry_of,
    read_recipient,
    read_text,
)
from shared.feedback.reputation import Occurrence, Reputation, domain_of
from shared.feedback.rules import CERTAINTIES, REASONS, Certainty, FeedbackRules, Verdict
from shared.suppression import EVERYTHING, AddressError, Suppression, Suppressions, normalise

logger = logging.getLogger(__name__)

# What the hand-over's own refusals are in the words of reports, by enhanced code and reject reason.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (r"5\.2\.2", "", "mailbox-full"),
    (r"5\.2\.1", "", "suspended"),
    (r"5\.2\.3|5\.3\.4", "", "too-large"),
    ("", "spam", "spam"),
    ("", "blocked", "blocked"),
    ("", "timed_out", "expired"),
)


@dataclass(frozen=True, slots=True)
class _Bounce:
    """status, reply, reason, source: as in the event. verdict: what the rules go by."""

    recipient: str
    status: str
    reply: str
    reason: str
    source: str
    verdict: Verdict


class BounceEvents:
    """Handles bounces. The same event handled twice changes nothing the second time."""

    def __init__(
        self,
        queue: EventQueue,
        *,
        rules: FeedbackRules,
        aftermath: Aftermath,
        suppressions: Suppressions,
        reputation: Reputation,
    ) -> None:
        self._queue = queue
        self._rules = rules
        self._aftermath = aftermath
        self._suppressions = suppressions
        self._reputation = reputation

    async def handle(self, body: bytes) -> None:
        """Does what the event asks for. What is no event goes to the poison queue, with reason."""
        try:
            event = read_event(body)
            bounce = _read_bounce(event)
        except (InvalidEventError, AddressError) as error:
            await self._queue.refuse(body, error)
            return
        record = await self._aftermath.find(event)
        if record is not None and await self._aftermath.is_told(event):
            return  # done before
        await self._reputation.count(
            event.id, event.time,
            Occurrence(
                read_text(event.data, "mailbox"), domain_of(bounce.recipient), "bounced",
                bounce.verdict.reason,
            ),
        )  # fmt: skip
        outcome = await self._apply(event, bounce)
        if record is None:
            logger.warning("bounce of an unknown message", extra={"event_id": event.id})
            return
        if self._trusted(bounce) and bounce.source != "smtp":  # delivery writes its own refusals
            marked = await self._aftermath.mark(
                record.id, bounce.recipient, "bounced", code=bounce.status, reply=bounce.reply
            )
            if not marked:
                await self._queue.postpone(body)
                return
        detail = f"{bounce.reason}; {outcome}" if outcome else bounce.reason
        await self._aftermath.tell(event, entry_of(event, "bounced", bounce.recipient, detail))

    def _trusted(self, bounce: _Bounce) -> bool:
        return bounce.verdict.match in self._rules.trusted

    async def _apply(self, event: Event, bounce: _Bounce) -> str:
        """Does what the rules say; tells what that was."""
        suppression = Suppression(
            address=bounce.recipient, scope=EVERYTHING, reason="bounced", source=bounce.source,
            since=event.time, message_id=event.subject, detail=bounce.reply,
        )  # fmt: skip
        match self._rules.effect(bounce.verdict):
            case "suppress":
                if await self._suppressions.add(suppression):
                    logger.info("address suppressed", extra={"event_id": event.id})
                return "the address is suppressed"
            case "lease":
                entry = await self._suppressions.count_soft(
                    suppression, event.id, self._rules.ladder
                )
                until = entry.soft.until
                return (
                    f"the address is suppressed until {until:%Y-%m-%d %H:%M} UTC" if until else ""
                )
        if not self._trusted(bounce):
            return f"nothing follows: it is not sure that it is this message's ({_how(bounce)})"
        return ""


def _how(bounce: _Bounce) -> str:
    return {"unsigned": "an id that can be guessed", "guess": "a guess"}.get(
        bounce.verdict.match, "no match"
    )


def _read_bounce(event: Event) -> _Bounce:
    check_type(event, BOUNCED)
    data = event.data
    recipient = read_recipient(data)
    normalise(recipient)
    texts = {name: read_text(data, name) for name in ("status", "reply", "reason", "source")}
    hard, cause = data.get("hard"), read_text(data, "cause")
    permanent = data.get("permanent") is True
    if not isinstance(hard, bool):
        hard = permanent and _is_dead(texts["status"], texts["reply"])
    verdict = Verdict(
        reason=cause if cause in REASONS else _cause(texts["status"], texts["reason"], hard=hard),
        hard=hard,
        permanent=permanent,
        match=read_certainty(event),
        given_up=data.get("given_up") is True,
        forwarded=data.get("forwarded") is True,
    )
    return _Bounce(recipient, verdict=verdict, **texts)


def read_certainty(event: Event) -> Certainty:
    """How surely the event is about its message: what says nothing comes from the hand-over
    itself. Raises InvalidEventError."""
    text = read_text(event.data, "match", "signed")
    for certainty in CERTAINTIES:
        if certainty == text:
            return certainty
    raise InvalidEventError("Its match is none.", fix=f"Send one of {', '.join(CERTAINTIES)}.")


def _cause(status: str, reason: str, *, hard: bool) -> str:
    if hard:
        return "user-unknown"
    for code, words, cause in _CAUSES:
        if (not code or re.fullmatch(code, status)) and words in {"", reason}:
            return cause
    return "other"


def _is_dead(status: str, text: str) -> bool:
    """Whether the address itself is at an end, by the table of replies: not for a full mailbox,
    a policy or a server's trouble."""
    code, _, rest = text.partition(" ")
    if re.fullmatch("[245][0-9]{2}", code):
        reply = Reply(int(code), rest)
    else:
        reply = Reply(550, f"{status} {text}")
    meaning = read_reply(reply, at_recipient=True)
    return meaning.action == "fail" and meaning.dead
