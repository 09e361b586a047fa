"""Where a message's content is kept: beside its record, or as a claim check in `mail-content`."""

import asyncio
import hashlib
import json
import zlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from shared.messages.content import SharedContent, assemble, content_json, own_json
from shared.messages.model import Message
from shared.messages.parsing import message_json, parse_message
from shared.messages.record import MessageRecord
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import MAIL_CONTENT
from shared.storage.queues import MAX_BODY
from shared.storage.tables import pack, unpack

_OVERHEAD = 64 * 1024  # what a message's JSON has besides its text and attachments
_REMEMBERED = 48 * 1024 * 1024  # octets of shared content kept at hand, besides the last


class Contents:
    """Keeps and finds content. A message is immutable: its content is written once."""

    def __init__(self, storage: StorageConnection, *, size_limit: int) -> None:
        self._container = Container(storage, MAIL_CONTENT)
        # JSON may escape each character, and base64 grows by a third.
        self._blob_limit = 2 * size_limit + _OVERHEAD
        self._shared: OrderedDict[str, tuple[SharedContent, int]] = OrderedDict()
        self._reading = asyncio.Lock()

    async def keep(self, message_id: str, message: Message) -> Mapping[str, Any]:
        """Stores the content; returns the properties of the record's row that tell where it is.

        Over 48 KiB or with attachments it becomes a blob, else it stays in the row. The blob's
        name follows from id and content: two callers with one id do not overwrite each other.
        """
        return await self._keep(message_id, message_json(message), files=bool(message.attachments))

    async def _keep(self, message_id: str, body: bytes, *, files: bool) -> Mapping[str, Any]:
        if len(body) <= MAX_BODY and not files:
            return pack("content", zlib.compress(body, 1))
        blob = f"{message_id}/{hashlib.sha256(body).hexdigest()[:16]}.json"
        await self._container.write(blob, body, content_type="application/json")
        return {"content_blob": blob, "content_size": len(body)}

    async def keep_shared(self, blob: str, content: SharedContent) -> None:
        """Stores what the messages of a batch share, once.

        Whoever keeps it also sees to it that it is deleted: `shared.messages.batches`.
        """
        await self._container.write(blob, content_json(content), content_type="application/json")

    async def keep_own(
        self, message_id: str, message: Message, blob: str, inherited: Collection[str]
    ) -> Mapping[str, Any]:
        """Stores what a message does not share; returns its row's properties as `keep` does.

        blob: as for `keep_shared`. inherited: the fields that the message takes from there.
        """
        body = own_json(message, inherited)
        files = "attachments" not in inherited and bool(message.attachments)
        kept = await self._keep(message_id, body, files=files)
        return {**kept, "content_shared": blob, "content_inherited": ",".join(sorted(inherited))}

    async def find(self, values: Mapping[str, Any]) -> Message | None:
        """The message whose row has these properties; None if its content has been deleted."""
        if blob := values.get("content_blob"):
            body = await self._container.read(blob, limit=self._blob_limit)
        elif packed := unpack("content", values):
            body = zlib.decompress(packed)
        else:
            return None
        if shared := values.get("content_shared"):
            inherited = values["content_inherited"].split(",")
            return assemble(json.loads(body), await self._find_shared(shared), inherited)
        return parse_message(body)

    async def _find_shared(self, blob: str) -> SharedContent:
        """Reads each blob once, though many deliveries of a batch ask for it at one time."""
        async with self._reading:
            found = self._shared.pop(blob, None)
            if found is None:
                body = await self._container.read(blob, limit=self._blob_limit)
                found = SharedContent.model_validate_json(body), len(body)
            self._shared[blob] = found
            while len(self._shared) > 1 and self._shared_size() > _REMEMBERED:
                self._shared.popitem(last=False)
            return found[0]

    def _shared_size(self) -> int:
        return sum(size for _, size in self._shared.values())

    async def claim(self, blob: str) -> bytes:
        """The body that a caller left in `mail-content` under this name.

        Raises NotFoundError, and ValueError if it is too large.
        """
        return await self._container.read(blob, limit=self._blob_limit)

    async def keep_refused(self, message_id: str, body: bytes) -> str:
        """Stores the body of a queue message that was refused; returns the blob's name."""
        blob = f"{message_id}/refused"
        await self._container.write(blob, body, content_type="application/octet-stream")
        return blob

    async def park(self, message_id: str, document: Mapping[str, Any]) -> str:
        """Stores a refused queue message as the operator's evidence; returns the blob's name."""
        blob = parked_name(message_id)
        body = json.dumps(document, ensure_ascii=False, indent=2).encode()
        await self._container.write(blob, body, content_type="application/json")
        return blob

    async def parked(self, message_id: str) -> Mapping[str, Any]:
        """What `park` stored. Raises NotFoundError."""
        body = await self._container.read(parked_name(message_id), limit=2 * self._blob_limit)
        document: Mapping[str, Any] = json.loads(body)
        return document

    async def delete_blobs(self, record: MessageRecord, blob: str) -> None:
        """Deletes the blobs that are a message's alone; `blob`: its content's, "" if it has none.

        What it shares with others of its batch stays.
        """
        blobs = [blob] if blob else []
        if not record.content_hash:  # a refused queue message
            blobs += (parked_name(record.id), f"{record.id}/refused")
        for name in blobs:
            await self._container.delete(name)

    async def delete_shared(self, blob: str) -> None:
        """Deletes what `keep_shared` stored."""
        self._shared.pop(blob, None)
        await self._container.delete(blob)

    async def ping(self) -> None:
        await self._container.ping()


def parked_name(message_id: str) -> str:
    """The blob in which a refused queue message is kept."""
    return f"refused/{message_id}.json"


def has_content(values: Mapping[str, Any]) -> bool:
    """Whether the row with these properties still has its message's content, or tells where."""
    return bool(values.get("content_blob") or values.get("contentParts"))


def without_content(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties that, merged into the row with these properties, leave nothing of the content.

    `content_gone` then names the blob that is still to be deleted.
    """
    chunks = {f"content{number}": b"" for number in range(values.get("contentParts", 0))}
    return {
        **chunks,
        "contentParts": 0,
        "content_blob": "",
        "content_shared": "",
        "content_gone": values.get("content_blob") or values.get("content_gone", ""),
    }


def replaced_content(values: Mapping[str, Any], kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties that, merged into the row with these properties, exchange the content for what
    `keep` has stored. `content_gone` then names the blob that is still to be deleted."""
    return {**without_content(values), "content_inherited": "", **kept}
