"""Single flight: one piece of work for everyone who wants its outcome at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.errors import CredentialError, CredentialUnavailableError


class Flights:
    """At most one running task for each key.

    Whoever joins waits for the task without owning it: a caller that is cancelled leaves the
    others their outcome.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    def start[T](
        self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> asyncio.Task[T]:
        """The task that runs for `key`, begun now if there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(partial(self._land, key))
        return task

    async def join[T](self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of the work under `key`; raises what the work raises."""
        task = self.start(key, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not task.cancelled() or (caller is not None and caller.cancelling()):
                raise
        raise CredentialUnavailableError(
            "Mailroom is being closed: no credential is fetched any more.", code="closed"
        )

    async def aclose(self) -> None:
        """Ends all that still runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # marks it as seen, where no caller has waited for it


@dataclass(slots=True)
class Backoff:
    """The memory of failures: how long nobody tries again.

    `first` and `most` bound the pause in seconds; it doubles with each failure in a row (unless
    it is not `growing`) and is drawn from its upper half. `chance` gives a number from 0 to 1.
    """

    first: float
    most: float
    chance: Callable[[], float]
    failures: int = 0
    error: CredentialError | None = None
    _until: datetime | None = None

    def fail(self, now: datetime, error: CredentialError, *, growing: bool = True) -> float:
        """Notes a failure; returns the pause in seconds (at least the error's `retry_after`)."""
        longest = min(self.most, self.first * 2**self.failures) if growing else self.first
        pause = longest * (0.5 + self.chance() / 2)
        asked = error.retry_after if isinstance(error, CredentialUnavailableError) else None
        pause = max(pause, asked or 0.0)
        self.failures = min(self.failures + 1, 16)
        self.error = error
        self._until = now + timedelta(seconds=pause)
        return pause

    def clear(self) -> None:
        self.failures = 0
        self.error = None
        self._until = None

    def refusal(self, now: datetime) -> CredentialError | None:
        """The error of the last failure while the pause lasts, else None."""
        return self.error if self._until is not None and now < self._until else None
