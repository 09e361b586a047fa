"""Attachments made ready: fetched where they are addresses, and checked for what they are."""

import asyncio
import html as markup
import re
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import unquote

from shared.attachments.fetching import FetchedFile, FetchRefusedError
from shared.attachments.media_types import (
    canonical,
    extension_of,
    is_runnable,
    is_untold,
    keeps_promise,
    type_of_extension,
)
from shared.attachments.names import hides_extension, named_after_type, safe_name
from shared.attachments.sniffing import EXECUTABLE, sniff
from shared.concurrency import run_bounded
from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.model import OCTET_STREAM, Attachment, Message

MAX_FETCHED = 10  # addresses of one message
_AT_ONCE = 4
_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
# Where HTML shows an image: in running text "cid:" means nothing.
_CID = re.compile(
    r"""(?:\b(?:src|background|poster|href)\s*=\s*|\burl\(\s*)(["']?)cid:([^\s"'<>)]{1,250})""",
    re.IGNORECASE,
)


class Fetching(Protocol):
    """Who fetches files by their addresses (`shared.attachments.fetching.Fetcher`)."""

    async def fetch(self, url: str, *, limit: int) -> FetchedFile: ...


class Attachments:
    """Makes attachments ready. size_limit: octets that the fetched ones may have together."""

    def __init__(self, fetcher: Fetching, *, size_limit: int) -> None:
        self._fetcher = fetcher
        self._size_limit = size_limit

    async def prepare(self, message: Message) -> Message:
        """The message with its files fetched, named safely and typed truly.

        Raises InvalidMessageError with every fault found, FileUnavailableError where a later try
        may succeed. A message without attachments and `cid:` comes back as it is.
        """
        files = await self.prepare_files(message.attachments)
        if problems := missing_images(message.html, files):
            raise InvalidMessageError(problems)
        return message if files == message.attachments else message.model_copy(
            update={"attachments": files}
        )  # fmt: skip

    async def prepare_files(
        self, files: Sequence[Attachment], *, place: str = "/attachments"
    ) -> tuple[Attachment, ...]:
        """The same for files alone, such as those that a batch shares. place: their pointer."""
        if not files:
            return ()
        fetched = await self._fetch(files, place)
        # Sniffing reads every octet: 35 MB would hold the event loop for a tenth of a second.
        return await asyncio.to_thread(_checked, fetched, place)

    async def _fetch(self, files: Sequence[Attachment], place: str) -> list[Attachment]:
        if sum(file.url is not None for file in files) > MAX_FETCHED:
            detail = f"It has more than {MAX_FETCHED} attachments that are to be fetched."
            raise InvalidMessageError([FieldProblem(place, detail, "Send their content.")])
        left = self._size_limit - sum(
            len(f.content or b"") for f in files if f.deliver == "attachment"
        )
        problems: list[FieldProblem] = []

        async def fetch(numbered: tuple[int, Attachment]) -> Attachment:
            nonlocal left
            number, file = numbered
            if file.url is None:
                return file
            linked = file.deliver == "link"
            try:
                found = await self._fetcher.fetch(
                    file.url, limit=self._size_limit if linked else max(left, 0)
                )
            except FetchRefusedError as error:
                problems.append(FieldProblem(f"{place}/{number}/url", error.detail, error.fix))
                return file
            left -= 0 if linked else len(found.content)
            return _with_content(file, found)

        ready = await run_bounded(fetch, enumerate(files), at_once=_AT_ONCE)
        if left < 0 and not problems:
            detail = f"Together they are larger than the {self._size_limit} bytes allowed."
            fix = 'Send fewer, or deliver them as links ("deliver": "link").'
            problems.append(FieldProblem(place, detail, fix))
        if problems:
            raise InvalidMessageError(sorted(problems, key=lambda problem: problem.field))
        return ready


def missing_images(html: str | None, files: Sequence[Attachment]) -> list[FieldProblem]:
    """Images that the HTML shows by `cid:` and that no attachment is."""
    if not html or "cid:" not in html.lower():
        return []
    there = {file.inline_id for file in files}
    asked = (unquote(found[2]) for found in _CID.finditer(markup.unescape(html)))
    return [
        FieldProblem(
            "/html",
            f"It shows the image cid:{wanted[:80]}, which no attachment is.",
            f'Attach the image with "inline_id": "{wanted[:80]}".',
        )
        for wanted in dict.fromkeys(asked)
        if wanted not in there and wanted.isprintable()
    ][:10]


def _with_content(file: Attachment, found: FetchedFile) -> Attachment:
    declared = file.content_type
    if is_untold(declared) and _TYPE.fullmatch(found.content_type.lower()):
        declared = found.content_type.lower()
    name = file.name or safe_name(found.name)
    return file.model_copy(
        update={"content": found.content, "url": None, "name": name, "content_type": declared}
    )


def _checked(files: Sequence[Attachment], place: str) -> tuple[Attachment, ...]:
    ready, problems = [], []
    for number, file in enumerate(files):
        shown = sniff(file.content or b"")
        if problem := _disguise(file, shown, f"{place}/{number}"):
            problems.append(problem)
        else:
            ready.append(_true(file, shown))
    if problems:
        raise InvalidMessageError(problems)
    return tuple(ready)


def _true(file: Attachment, shown: str) -> Attachment:
    """The file with a safe name, and with the type that it shows where none was declared."""
    media_type, name = file.content_type, safe_name(file.name)
    if is_untold(media_type):
        promised = type_of_extension(extension_of(name))
        # A CSV shows itself as mere text: its name knows better.
        better = shown in {"text/plain", OCTET_STREAM, "application/x-ole-storage"} and promised
        media_type = better or shown
    name = named_after_type(name, media_type)
    if (name, media_type) == (file.name, file.content_type):
        return file
    return file.model_copy(update={"name": name, "content_type": media_type})


def _disguise(file: Attachment, shown: str, place: str) -> FieldProblem | None:
    """What is wrong with what a file pretends to be."""
    name = safe_name(file.name)  # Windows takes "a.exe." for "a.exe"
    extension = extension_of(name)
    promised = type_of_extension(extension)
    open_about_it = is_runnable(extension) or (
        not extension and canonical(file.content_type) == shown
    )
    if hides_extension(name):
        return FieldProblem(
            f"{place}/name",
            "It names a program like a document: one extension stands before another.",
            "Give the file a single extension, that of its type.",
        )
    if shown in EXECUTABLE and not open_about_it:
        called = f".{extension}" if extension else file.content_type
        return FieldProblem(
            f"{place}/content",
            f"It is a program ({shown}), but is called {called}.",
            "Send documents as documents; programs are best linked to.",
        )
    if not keeps_promise(file.content_type, shown):
        return FieldProblem(
            f"{place}/content_type",
            f"It is declared as {file.content_type}, but its content is {shown}.",
            f"Declare {shown}, or send the file that is meant.",
        )
    if promised and not keeps_promise(promised, shown):
        return FieldProblem(
            f"{place}/name",
            f"Its name ends in .{extension}, but its content is {shown}.",
            "Name the file after what it is, or send the file that is meant.",
        )
    return None
