"""A file of suppressions on its way to the app, or from it: in parts, and begun again where it was
broken off. Whatever the size of the file, one part of it is in memory.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from shared.remote import RemoteError
from shared.suppression.lines import LONGEST_LINE, read_header
from shared.suppression.remote import RemoteSuppressions

LINES = 5000  # of a part
_CHARACTERS = 1024 * 1024  # of a part
_PAGE = 2000  # addresses of an export's page

Say = Callable[[str], None]


@dataclass(slots=True)
class Progress:
    """How far it is. place: where the next part begins in the file, as the file tells it; cursor:
    of an export. size: of the file when it was begun; report: the length of the file of refused
    lines. line: the last one done."""

    size: int = 0
    place: int = 0
    line: int = 1
    cursor: str = ""
    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    report: int = 0

    @classmethod
    def load(cls, path: Path) -> "Progress | None":
        """What was noted, if it can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(path)


async def import_file(
    path: Path, remote: RemoteSuppressions, say: Say, *, encoding: str = "utf-8"
) -> Progress:
    """Sends a file; what is refused stands in FILE.refused.csv afterwards, each line with its
    number and why. Raises RemoteError, after which the same call goes on where it was."""
    state, refused = _beside(path, ".state"), _beside(path, ".refused.csv")
    progress = _begun(path, state)
    if progress.line > 1:
        say(f"going on behind line {progress.line}")
    errors = "surrogateescape" if encoding.lower().replace("_", "-") == "utf-8" else "replace"
    with (
        path.open(encoding=encoding, errors=errors, newline="") as lines,
        refused.open("a+", encoding="utf-8", errors="backslashreplace", newline="") as report,
    ):
        first = _line(lines).removeprefix("\ufeff").rstrip("\r\n")
        header = read_header(first)
        _cut(report, progress, f"line{header.delimiter}why{header.delimiter}{first}")
        if progress.place:
            lines.seek(progress.place)
        while part := _part(lines):
            answer = await remote.take(_body(first, part))
            _count(progress, answer, part, report, header.delimiter)
            progress.place = lines.tell()
            progress.save(state)
            say(_told(progress, lines))
    state.unlink(missing_ok=True)
    if not progress.refused:
        refused.unlink(missing_ok=True)
    return progress


async def export_file(path: Path, remote: RemoteSuppressions, say: Say) -> Progress:
    """Writes all suppressions into a file that appears when it is whole. Raises RemoteError, after
    which the same call goes on where it was."""
    state, part = _beside(path, ".state"), _beside(path, ".part")
    progress = Progress.load(state) or Progress()
    with part.open("r+b" if part.exists() and progress.place else "wb") as out:
        out.truncate(progress.place)
        out.seek(progress.place)
        while True:
            body, cursor = await remote.export(progress.cursor, _PAGE)
            first, _, rest = body.partition(b"\r\n")
            out.write(rest if progress.place else first + b"\r\n" + rest)
            out.flush()
            progress.place, progress.cursor = out.tell(), cursor
            progress.stored += rest.count(b"\n")
            say(f"{progress.stored} suppressions")
            if not cursor:
                break
            progress.save(state)
    part.replace(path)
    state.unlink(missing_ok=True)
    return progress


def _begun(path: Path, state: Path) -> Progress:
    """What was noted of this very file, or a new beginning."""
    size = path.stat().st_size
    progress = Progress.load(state)
    return progress if progress and progress.size == size else Progress(size=size)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _line(lines: TextIO) -> str:
    """The next line; of one that is too long its beginning, which is refused as such."""
    line = rest = lines.readline(LONGEST_LINE + 2)
    while rest and not rest.endswith(("\n", "\r")):
        rest = lines.readline(LONGEST_LINE + 2)
    return line


def _part(lines: TextIO) -> list[str]:
    part: list[str] = []
    size = 0
    while len(part) < LINES and size < _CHARACTERS and (line := _line(lines)):
        part.append(line.rstrip("\r\n"))
        size += len(line)
    return part


def _body(first: str, part: list[str]) -> bytes:
    return "\n".join([first, *part, ""]).encode("utf-8", "surrogateescape")


def _cut(report: TextIO, progress: Progress, header: str) -> None:
    """Makes the report as long as it was when the progress was noted."""
    report.seek(0)
    report.truncate(progress.report)
    report.seek(0, 2)
    if not progress.report:
        report.write(header + "\r\n")
        report.flush()


def _count(
    progress: Progress,
    answer: Mapping[str, Any],
    part: list[str],
    report: TextIO,
    delimiter: str,
) -> None:
    """Adds what became of a part, whose first line the app counts as the second of its body."""
    try:
        assert isinstance(answer, dict)
        progress.stored += int(answer["stored"])
        progress.unchanged += int(answer["unchanged"])
        for refused in answer["refused"]:
            number, why = int(refused["line"]), str(refused["why"]).replace('"', '""')
            line = progress.line + number - 1
            report.write(f'{line}{delimiter}"{why}"{delimiter}{part[number - 2]}\r\n')
            progress.refused += 1
    except (KeyError, ValueError, IndexError, TypeError):
        raise RemoteError(
            "The app's answer is not understood.", fix="Use the command of the app's version."
        ) from None
    report.flush()
    progress.line += len(part)
    progress.report = report.tell()


def _told(progress: Progress, lines: TextIO) -> str:
    share = lines.buffer.tell() / progress.size if progress.size else 1.0
    return (
        f"{min(share, 1):4.0%}  line {progress.line:,}: {progress.stored:,} stored, "
        f"{progress.unchanged:,} known, {progress.refused:,} refused"
    )
