"""Many things at once, but never more than so many."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable


async def run_bounded[T, R](
    work: Callable[[T], Awaitable[R]], items: Iterable[T], *, at_once: int
) -> list[R]:
    """Does `work` for each item, `at_once` at a time; returns the results in the items' order.

    After a failure no further item is begun; the first failure is raised when those under way have
    ended, so that nothing goes on behind the caller's back.
    """
    results: dict[int, R] = {}
    failures: list[Exception] = []
    pending = iter(enumerate(items))

    async def worker() -> None:
        for index, item in pending:
            if failures:
                return
            try:
                results[index] = await work(item)
            except Exception as error:  # noqa: BLE001 (raised again below)
                failures.append(error)

    await asyncio.gather(*(worker() for _ in range(at_once)))
    if failures:
        raise failures[0]
    return [results[index] for index in sorted(results)]
