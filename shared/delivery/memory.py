"""Few large messages at a time: their content is in memory until they are handed over."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

_LARGE = 1024 * 1024  # bytes of content from which only a few messages are in memory at once
_AT_ONCE = 4


class ContentMemory:
    """What one process lets into its memory."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def room(self, values: Mapping[str, Any]) -> AsyncIterator[None]:
        """Waits for room for a message's content. values: its row's properties."""
        if int(values.get("content_size", 0)) < _LARGE:
            yield
            return
        async with self._large:
            yield
