"""Files out of mail, links in their place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import AlreadyExistsError, FieldProblem, InvalidMessageError
from shared.links.block import LinkedFile, append_to_html, append_to_text
from shared.links.link import Link, link_id
from shared.links.register import LinkRegister
from shared.links.seals import Seals, Signing
from shared.links.texts import texts_in
from shared.messages.identity import keyed_message_id
from shared.messages.model import Attachment, Message
from shared.messages.record import TimelineEntry
from shared.messages.timeline import Timeline
from shared.settings import Settings
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import SECURE_FILES


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """A message whose linked files have been put aside.

    code: a message of its own with the one-time codes, None where no link asks for one; code_id:
    the id to record it under, the same at each repetition.
    """

    message: Message
    code: Message | None = None
    code_id: str = ""


class LinkPosting:
    """Puts files aside, and links to them into mail."""

    def __init__(
        self,
        settings: Settings,
        *,
        storage: StorageConnection,
        register: LinkRegister,
        timeline: Timeline,
        signing: Signing,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._files = Container(storage, SECURE_FILES)
        self._register = register
        self._timeline = timeline
        self._seals = Seals(signing)
        self._clock = clock

    def check(self, message: Message) -> list[FieldProblem]:
        """What the settings have against the links that a message asks for."""
        problems = []
        most = self._settings.link_max_days
        for number, file in enumerate(message.attachments):
            if file.deliver != "link":
                continue
            place = f"/attachments/{number}"
            if not self._settings.public_url:
                detail = "Secure links are not set up here."
                fix = "Set MAILROOM_PUBLIC_URL, or deliver it as an attachment."
                problems.append(FieldProblem(f"{place}/deliver", detail, fix))
            if (file.expires_in_days or 0) > most:
                detail = f"A link works for {most} days at most."
                fix = "Give fewer days, or raise MAILROOM_LINK_MAX_DAYS."
                problems.append(FieldProblem(f"{place}/expires_in_days", detail, fix))
        return problems

    async def replace(
        self, message: Message, message_id: str, *, shared: str = "", language: str = "en"
    ) -> LinkedMessage:
        """The message with links in place of the files that ask for it.

        The same message under the same id gets the same links. shared: what the messages of a
        batch have in common, such as its id: a file in several of them is then stored once (and
        goes when the last day of its links is over, not when one is revoked).
        Raises InvalidMessageError and NoKeyError.
        """
        wanted = [
            (number, file) for number, file in enumerate(message.attachments)
            if file.deliver == "link"
        ]  # fmt: skip
        if not wanted:
            return LinkedMessage(message)
        if problems := self.check(message):
            raise InvalidMessageError(problems)
        linked, codes = [], []
        for number, file in wanted:
            link, code = await self._put_aside(message, message_id, number, file, shared)
            token = await self._seals.token(link.id)
            url = f"{self._settings.public_url}/api/files/{token}"
            linked.append(LinkedFile(link.file_name, link.size, url, link.expires_at, bool(code)))
            if code:
                codes.append((link.file_name, code))
        mailed = message.model_copy(
            update={
                "attachments": tuple(f for f in message.attachments if f.deliver != "link"),
                "text": append_to_text(message.text, linked, language) if message.text else None,
                "html": append_to_html(message.html, linked, language) if message.html else None,
            }
        )
        if not codes:
            return LinkedMessage(mailed)
        code_id = keyed_message_id("link-code", message_id)
        return LinkedMessage(mailed, _code_message(message, codes, language), code_id)

    async def _put_aside(
        self, message: Message, message_id: str, number: int, file: Attachment, shared: str
    ) -> tuple[Link, str]:
        """The link to a file, stored, and its code."""
        content = file.content
        if content is None:
            raise InvalidMessageError(
                [
                    FieldProblem(
                        f"/attachments/{number}", "It is not fetched yet.", "Fetch it first."
                    )
                ]
            )
        now, identity = self._clock(), link_id(message_id, number)
        days = file.expires_in_days or self._settings.link_days
        expires_at = message.send_time(now) + timedelta(days=days)
        code = await self._seals.code(identity) if file.code else ""
        link = Link(
            id=identity, message_id=message_id, number=number,
            blob=blob_name(expires_at, shared or identity, content), file_name=file.name,
            media_type=file.content_type, size=len(content), created_at=now,
            expires_at=expires_at, own_file=not shared,
            max_downloads=file.max_downloads or self._settings.link_downloads,
            seal=await self._seals.seal(identity, code) if code else "",
        )  # fmt: skip
        await self._keep(link, content)
        try:
            link = await self._register.add(link)
        except AlreadyExistsError:
            link = await self._repeated(link, content)
        made = TimelineEntry(type="link-created", at=link.created_at, detail=link.file_name)
        await self._timeline.note(message_id, f"link-{link.id}-created", made)
        return link, code

    async def _keep(self, link: Link, content: bytes) -> None:
        try:
            await self._files.write(
                link.blob, content, content_type="application/octet-stream", new=True
            )
        except AlreadyExistsError:  # by an earlier try, or another message of the batch
            return

    async def _repeated(self, link: Link, content: bytes) -> Link:
        """The link of an earlier try, with its file, and with the seal of today's code."""
        earlier = await self._register.get(link.id)
        if earlier is None:
            return await self._register.add(link)
        if earlier.blob != link.blob:
            await self._keep(earlier, content)
            if link.own_file:
                await self._files.delete(link.blob)
        if earlier.seal != link.seal:
            return await self._register.change(earlier, seal=link.seal)
        return earlier


def blob_name(expires_at: datetime, owner: str, content: bytes) -> str:
    """Where a file is kept: its day comes first, so that what has expired comes first of all."""
    import hashlib  # noqa: PLC0415

    digest = hashlib.sha256(content).hexdigest()[:32]
    scope = hashlib.sha256(owner.encode()).hexdigest()[:32]
    return f"{expires_at:%Y-%m-%d}/{scope}/{digest}"


def _code_message(message: Message, codes: Sequence[tuple[str, str]], language: str) -> Message:
    """A message of its own to the same people, with nothing that leads to the file."""
    texts = texts_in(language)
    lines = [texts["code_intro"], "", *(f"{name}: {code}" for name, code in codes)]
    return Message(
        sender=message.sender,
        to=message.to,
        cc=message.cc,
        bcc=message.bcc,
        reply_to=message.reply_to,
        subject=texts["code_subject"].format(file=codes[0][0])[:500],
        text="\n".join([*lines, "", texts["code_outro"], ""]),
        priority=message.priority,
        send_at=message.send_at,
        tags=message.tags,
    )
