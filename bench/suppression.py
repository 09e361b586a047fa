"""Suppression on Azurite: what a question costs with few and with many addresses suppressed, and a
large file on its way in through the command: time, and the memory of both sides.

The table is one of Azurite, which keeps it in memory and on a small machine answers a few hundred
requests a second; the number of reads is the same in Azure, the times are not.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from local.azurite import Azurite
from shared.settings import load_settings
from shared.storage.connection import StorageConnection
from shared.suppression import Suppression, SuppressionCheck, Suppressions
from shared.suppression.importing import SuppressionImport
from shared.suppression.remote import RemoteSuppressions
from shared.suppression.transfer import import_file

FEW, MANY = 100, int(os.environ.get("BENCH_SUPPRESSIONS", "100000"))
_QUESTIONS = 1000
_NOW = datetime(2026, 11, 27, tzinfo=UTC)


class _Reads:
    """Counts the point reads of a table."""

    def __init__(self, suppressions: Suppressions) -> None:
        self.count = 0
        table = suppressions._table  # noqa: SLF001 (it counts what goes past)
        read = table.read

        async def counted(*place: str) -> Any:
            self.count += 1
            return await read(*place)

        table.read = counted  # type: ignore[method-assign, assignment]


class _Local(RemoteSuppressions):
    """The app, without HTTP between."""

    def __init__(self, suppressions: Suppressions) -> None:
        super().__init__("http://localhost", "", author="bench")
        self._import = SuppressionImport(suppressions, clock=lambda: datetime.now(UTC))
        self.parts: list[float] = []
        self.sizes: list[float] = []

    async def take(self, lines: bytes) -> dict[str, Any]:
        started = time.perf_counter()
        report = await self._import.take(lines, by="bench")
        self.parts.append(time.perf_counter() - started)
        self.sizes.append(_resident())
        refused = [{"line": line.number, "why": line.why} for line in report.refused]
        return {"stored": report.stored, "unchanged": report.unchanged, "refused": refused}


async def ask(suppressions: Suppressions, addresses: Sequence[str]) -> tuple[float, float]:
    """Table reads a question, and the median of its milliseconds; half of them are suppressed."""
    reads = _Reads(suppressions)
    times: list[float] = []
    await suppressions.find("warm@up.example")
    reads.count = 0
    check = SuppressionCheck(suppressions, clock=lambda: _NOW)
    blocked = 0
    for address in addresses:
        started = time.perf_counter()
        blocked += len(await check.blocked([address], category="bulk", topic="news"))
        times.append(time.perf_counter() - started)
    assert blocked == len(addresses) // 2
    return reads.count / len(addresses), statistics.median(times) * 1000


def _questions(count: int) -> list[str]:
    step = max(1, count // (_QUESTIONS // 2))
    there = [f"r{n}@bench.example" for n in range(0, count, step)][: _QUESTIONS // 2]
    return [a for pair in zip(there, (f"no-{a}" for a in there), strict=True) for a in pair]


def _write(path: Path, first: int, count: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write("address,scope,reason,detail\n")
        for n in range(first, count):
            bad = n % 10_000 == 9999
            address = "no address" if bad else f"r{n}@bench.example"
            out.write(f"{address},everything,bounced,550 5.1.1 unknown user\n")


async def run(console: Console) -> None:
    azurite = Azurite()
    await azurite.start()
    settings = load_settings(
        {
            "MAILROOM_SENDERS": '["a@contoso.test"]',
            "MAILROOM_TENANT_ID": "t",
            "MAILROOM_CLIENT_ID": "c",
            "AzureWebJobsStorage": azurite.connection_string,
        }
    )
    storage = StorageConnection(settings, None)  # type: ignore[arg-type]
    try:
        await _run(console, Suppressions(storage), storage)
    finally:
        await storage.aclose()
        await azurite.stop()


async def _run(console: Console, suppressions: Suppressions, storage: StorageConnection) -> None:
    for n in range(FEW):
        await suppressions.add(
            Suppression(
                address=f"r{n}@bench.example", scope="everything", reason="bounced",
                source="bench", since=_NOW,
            )
        )  # fmt: skip
    few = await ask(Suppressions(storage), _questions(FEW))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "many.csv")
        _write(path, FEW, MANY)
        await _import(console, path, suppressions)
    for n in range(9999, MANY, 10_000):
        await suppressions.add(
            Suppression(
                address=f"r{n}@bench.example", scope="everything", reason="bounced",
                source="bench", since=_NOW,
            )
        )  # fmt: skip
    many = await ask(Suppressions(storage), _questions(MANY))
    grid = Grid(title="one question")
    for name in ("suppressed", "table reads", "median ms"):
        grid.add_column(name, justify="right")
    grid.add_row(f"{FEW:,}", f"{few[0]:.3f}", f"{few[1]:.2f}")
    grid.add_row(f"{MANY:,}", f"{many[0]:.3f}", f"{many[1]:.2f}")
    grid.add_row("ratio", f"{many[0] / few[0]:.2f}", f"{many[1] / few[1]:.2f}")
    console.print(grid)


async def _import(console: Console, path: Path, suppressions: Suppressions) -> None:
    remote = _Local(suppressions)
    started = time.perf_counter()
    progress = await import_file(path, remote, console.print)
    seconds = time.perf_counter() - started
    quarter = len(remote.sizes) // 4 or 1
    first, last = max(remote.sizes[:quarter]), max(remote.sizes[-quarter:])
    console.print(
        f"{progress.line - 1:,} lines in {seconds:.0f} s ({progress.line / seconds:,.0f}/s), "
        f"{progress.refused} refused; {len(remote.parts)} parts, {max(remote.parts):.1f} s at "
        f"most; memory of the process, both sides in one: {first:.0f} MiB in the first quarter, "
        f"{last:.0f} MiB in the last"
    )


def _resident() -> float:
    """MiB of this process in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


if __name__ == "__main__":
    asyncio.run(run(Console()))
