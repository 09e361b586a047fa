"""What the demo expects, and whether it was so."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console

console = Console(width=None if Console().is_terminal else 120, highlight=False)


@dataclass(slots=True)
class Checks:
    """What was expected, and whether it was so."""

    failed: int = 0

    def expect(self, what: str, *, holds: bool, seen: object = "") -> None:
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        console.print(f"  {mark} {what}" + ("" if holds else f"   (seen: {seen})"))
        self.failed += not holds


async def eventually(
    probe: Callable[[], Awaitable[tuple[str, bool]]], checks: Checks, seconds: float = 10
) -> None:
    """Expects something that may take a moment."""
    from azure.core.exceptions import ResourceNotFoundError

    deadline, what, holds = time.monotonic() + seconds, "it is there", False
    while not holds and time.monotonic() < deadline:
        try:
            what, holds = await probe()
        except ResourceNotFoundError:
            await asyncio.sleep(0.2)
    checks.expect(what, holds=holds)
