"""Ending with the parent process: a pipe whose other end closes when the parent is gone.

Signals of the terminal do not reach a child in a session of its own, so that the parent alone says
when to stop; and a parent that was killed cannot say it. The pipe tells of both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


class ParentPipe:
    """The parent's side. Hand `descriptor` down as an inherited one, keep the object."""

    def __init__(self) -> None:
        self.descriptor, self._kept = os.pipe()

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._kept)


def when_parent_ends(descriptor: int | None, act: Callable[[], None]) -> None:
    """The child's side: call `act` once, on the running loop, when the parent is gone."""
    if descriptor is None:
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(descriptor)
        act()

    loop.add_reader(descriptor, ended)
