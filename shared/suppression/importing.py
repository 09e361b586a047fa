"""Takes in a CSV file of suppressions, as much of it as one request may bring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.concurrency import run_bounded
from shared.errors import FieldProblem, InvalidMessageError
from shared.suppression.addresses import AddressError, normalise
from shared.suppression.entry import Entry, Suppression
from shared.suppression.lines import LineError, read_header, read_line
from shared.suppression.suppressions import Suppressions, with_suppression

MOST_LINES = 5000
MOST_BYTES = 4 * 1024 * 1024
_AT_ONCE = 16  # addresses that have a row already


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """number: of the line in the body, the line of column names being 1."""

    number: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """How many lines were stored, how many told what was known, and each that was refused.

    ignored_columns: names that mean nothing here.
    """

    stored: int
    unchanged: int
    refused: Sequence[RefusedLine]
    ignored_columns: Sequence[str] = ()


class SuppressionImport:
    """Stores lines. The same lines again change nothing, so that a request may be repeated."""

    def __init__(self, suppressions: Suppressions, *, clock: Callable[[], datetime]) -> None:
        self._suppressions = suppressions
        self._clock = clock

    async def take(self, body: bytes, *, by: str) -> ImportReport:
        """Raises InvalidMessageError for what is too large, not UTF-8, or has no column names;
        StorageUnavailableError, after which the whole may be repeated."""
        lines = _lines(body)
        header = read_header(lines[0] if lines else "")
        now = self._clock()
        refused: list[RefusedLine] = []
        read: list[Suppression] = []
        for number, line in enumerate(lines[1:], start=2):
            if not line.strip():
                continue
            try:
                read.append(_normalised(read_line(line, header, by=by, now=now)))
            except LineError as error:
                refused.append(RefusedLine(number, str(error)))
        stored = await self._store(read)
        return ImportReport(
            stored=stored, unchanged=len(read) - stored, refused=refused,
            ignored_columns=header.ignored,
        )  # fmt: skip

    async def _store(self, read: Sequence[Suppression]) -> int:
        """New addresses in transactions of many, the others one by one."""
        by_address: dict[str, list[Suppression]] = {}
        entries: dict[str, Entry] = {}
        for suppression in read:
            address = suppression.address
            by_address.setdefault(address, []).append(suppression)
            entry = entries.get(address, Entry(address=address))
            entries[address] = with_suppression(entry, suppression)
        left = await self._suppressions.add_new(list(entries.values()))
        known = [by_address[entry.address] for entry in left]
        counts = await run_bounded(self._add, known, at_once=_AT_ONCE)
        new = sum(len(entry.own) for entry in entries.values())
        return new - sum(len(entry.own) for entry in left) + sum(counts)

    async def _add(self, suppressions: Sequence[Suppression]) -> int:
        """All of one address in one write; returns how many were new."""
        count = 0

        def edit(entry: Entry) -> Entry:
            nonlocal count
            count = 0
            for suppression in suppressions:
                changed = with_suppression(entry, suppression)
                count += changed != entry
                entry = changed
            return entry

        await self._suppressions.change(suppressions[0].address, edit)
        return count


def _lines(body: bytes) -> list[str]:
    if len(body) > MOST_BYTES:
        raise _refusal(413, f"The body has more than {MOST_BYTES} bytes.")
    # Not str.splitlines: it also breaks at what is no line break in a file.
    lines = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) > MOST_LINES + 1:
        raise _refusal(413, f"The body has more than {MOST_LINES} lines.")
    return lines


def _refusal(status: int, detail: str) -> InvalidMessageError:
    fix = "Send the file in parts, each with the line of column names, as the command does."
    return InvalidMessageError([FieldProblem("", detail, fix)], status=status)


def _normalised(suppression: Suppression) -> Suppression:
    try:
        return replace(suppression, address=normalise(suppression.address))
    except AddressError as error:
        raise LineError(str(error)) from None
