"""The mail that was accepted, kept in memory (or a folder) for those who look at it."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from .envelope import Parameters, Recipient

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """One accepted message. `body` is its content, or the file that holds it.

    `message_id` is the one of the 250 reply, `original_message_id` the one in the header
    (None if it had none). `delay` is how many seconds the reply was held back.
    """

    number: int
    message_id: str
    original_message_id: str | None
    mailbox: str
    app_id: str
    sender: str
    parameters: Parameters
    recipients: tuple[Recipient, ...]
    received_at: datetime
    session_id: str
    size: int
    chunking: bool
    pipelining: bool
    tls_version: str
    cipher: str
    delay: float
    body: bytes | Path = field(repr=False)

    @property
    def content(self) -> bytes:
        """The message as it was received, without dot-stuffing."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()

    @property
    def head(self) -> bytes:
        """The first 64 KiB of the content: enough for any usual header section."""
        if isinstance(self.body, bytes):
            return self.body[:_HEAD]
        with self.body.open("rb") as file:
            return file.read(_HEAD)

    @property
    def copy(self) -> bytes:
        """What Sent Items get of it: `head`, with the Message-ID that Exchange gave it."""
        old, new, head = self.original_message_id, self.message_id, self.head
        if old is None:
            return b"Message-ID: " + new.encode() + b"\r\n" + head
        if old == new:
            return head
        kept = b"X-Microsoft-Original-Message-ID: " + old.encode() + b"\r\n"
        return kept + head.replace(old.encode(), new.encode(), 1)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The recipients' addresses, in the order of RCPT."""
        return tuple(recipient.address for recipient in self.recipients)

    @property
    def has_bare_newlines(self) -> bool:
        """Whether CR or LF stand alone somewhere, which RFC 5321 §2.3.8 forbids."""
        rest = self.content.replace(b"\r\n", b"")
        return b"\r" in rest or b"\n" in rest

    @property
    def longest_line(self) -> int:
        """The longest line in octets, CRLF not counted. More than 998 is against RFC 5322;
        Exchange takes such lines and re-encodes the part, so they are kept, not refused."""
        return max(map(len, self.content.split(b"\r\n")))


class MailStore:
    """Accepted mail, oldest first, bounded: the oldest goes when there is no more room.

    `keep`: "messages", or "ids" for Message-IDs only (benchmarks). With `folder` the bodies go
    to files there, which are deleted with their messages.
    """

    def __init__(
        self,
        keep: Literal["messages", "ids"] = "messages",
        *,
        max_messages: int = 10_000,
        max_bytes: int = 512 * 1024 * 1024,
        folder: Path | None = None,
    ) -> None:
        self.keep = keep
        self.ids: list[str] = []
        self._messages: deque[KeptMessage] = deque()
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._bytes = 0
        self._folder = folder
        self._last = 0
        self._waiting: list[tuple[Callable[[KeptMessage], bool], asyncio.Future[KeptMessage]]] = []

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[KeptMessage]:
        return iter(tuple(self._messages))

    @property
    def last_number(self) -> int:
        """The number of the newest message, 0 before the first."""
        return self._last

    def next_number(self) -> int:
        """Return the number for the next message, counted from 1 and never used again."""
        self._last += 1
        return self._last

    def hold(self, number: int, content: bytes) -> bytes | Path:
        """Return what a KeptMessage takes as its body: the content or its file."""
        if self._folder is None:
            return content
        path = self._folder / f"{number:08}.eml"
        path.write_bytes(content)
        return path

    def add(self, message: KeptMessage) -> None:
        """Keep a message and wake those that wait for it."""
        self._messages.append(message)
        self._bytes += message.size
        while len(self._messages) > self._max_messages or (
            self._bytes > self._max_bytes and len(self._messages) > 1
        ):
            self._forget(self._messages.popleft())
        if self._waiting:
            for predicate, future in self._waiting:
                if not future.done() and predicate(message):
                    future.set_result(message)

    def get(self, number: int) -> KeptMessage | None:
        """Return the message with this number if it is still kept."""
        if not self._messages:
            return None
        index = number - self._messages[0].number
        if 0 <= index < len(self._messages):
            return self._messages[index]
        return None

    async def wait_for(
        self, predicate: Callable[[KeptMessage], bool], seconds: float
    ) -> KeptMessage:
        """Return the first kept message that fits, waiting for it if need be.

        TimeoutError if none came in time.
        """
        for message in self._messages:
            if predicate(message):
                return message
        future: asyncio.Future[KeptMessage] = asyncio.get_running_loop().create_future()
        waiting = (predicate, future)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise TimeoutError(
                f"no message that fits was accepted within {seconds} s; "
                f"{len(self._messages)} are kept"
            ) from None
        finally:
            self._waiting.remove(waiting)

    def release(self) -> None:
        """Let all who wait go without a message (the server stops)."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(TimeoutError())

    def clear(self) -> int:
        """Delete everything kept; return how many messages there were."""
        count = len(self._messages)
        while self._messages:
            self._forget(self._messages.popleft())
        self.ids.clear()
        return count

    def _forget(self, message: KeptMessage) -> None:
        self._bytes -= message.size
        if isinstance(message.body, Path):
            with suppress(FileNotFoundError):
                message.body.unlink()


def find_messages(
    messages: Iterator[KeptMessage], wanted: Mapping[str, str]
) -> Iterator[KeptMessage]:
    """Yield the messages whose `mailbox`, `message_id`, `recipient` and `sender` are as wanted."""
    for message in messages:
        if (
            wanted.get("mailbox", message.mailbox).lower() == message.mailbox.lower()
            and wanted.get("sender", message.sender).lower() == message.sender.lower()
            and wanted.get("message_id", message.message_id)
            in (message.message_id, message.original_message_id)
            and _has_recipient(message, wanted.get("recipient"))
        ):
            yield message


def _has_recipient(message: KeptMessage, address: str | None) -> bool:
    return address is None or address.lower() in (one.lower() for one in message.addresses)
