"""Takes an address out of one message: its record, its timeline, its content."""

from dataclasses import replace

from shared.errors import ChangedError
from shared.messages.contents import Contents, has_content, without_content
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, RecipientRecord, TimelineEntry
from shared.messages.timeline import Timeline
from shared.suppression import AddressError, normalise


def is_address(text: str, address: str) -> bool:
    """Whether a text is the normalised address, in any form."""
    try:
        return normalise(text) == address
    except AddressError:
        return False


class MessageErasure:
    """Content goes whole, for all recipients of the message: it names each of them. Of a message to
    nobody else timeline and tags go, too; of others only what names the address."""

    def __init__(self, *, ledger: Ledger, contents: Contents, timeline: Timeline) -> None:
        self._ledger = ledger
        self._contents = contents
        self._timeline = timeline

    async def erase(self, message_id: str, address: str, stand_in: str) -> bool:
        """Puts `stand_in` in the place of the address; False if the message has not ended yet, and
        so needs it. Done twice it does no harm."""
        found = await self._ledger.get_with_content(message_id)
        if found is None:
            return True
        record, values = found
        if not record.final:
            return False
        alone = all(is_address(r.email, address) or r.email == stand_in for r in record.recipients)
        gone = without_content(values)
        try:
            changed = await self._ledger.change(
                record,
                _without(record, address, stand_in, alone=alone),
                also=gone if has_content(values) else {},
            )
        except ChangedError:
            return False  # somebody is at it: the next run sees what became of it
        await self._contents.delete_blobs(record, gone["content_gone"])
        if gone["content_gone"]:
            await self._ledger.change(changed, changed, also={"content_gone": ""})
        if alone:
            await self._timeline.delete(message_id)
        else:
            await self._timeline.rewrite(message_id, lambda e: _entry(e, address, stand_in))
        return True


def _without(record: MessageRecord, address: str, stand_in: str, *, alone: bool) -> MessageRecord:
    recipients = tuple(
        RecipientRecord(stand_in, r.status, r.code) if is_address(r.email, address) else r
        for r in record.recipients
    )
    history = () if alone else tuple(_entry(e, address, stand_in) for e in record.history)
    return replace(
        record, recipients=recipients, history=history, tags={} if alone else record.tags,
        detail=_text(record.detail, address), findings=(),
    )  # fmt: skip


def _entry(entry: TimelineEntry, address: str, stand_in: str) -> TimelineEntry:
    concerned = any(is_address(r, address) for r in entry.recipients)
    return replace(
        entry,
        recipients=tuple(stand_in if is_address(r, address) else r for r in entry.recipients),
        reply="" if concerned else _text(entry.reply, address),
        detail="" if concerned else _text(entry.detail, address),
    )


def _text(text: str, address: str) -> str:
    """A server's words, unless they name the address."""
    return "" if address in text.lower() else text
