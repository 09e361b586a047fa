"""A few processes that render, kept alive: started at first use, killed when they overrun."""

import asyncio
import contextlib
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import TemplateError, TemplateLimitError
from shared.templates import frames
from shared.templates.bundle import Bundle

_ROOT = Path(__file__).resolve().parents[2]
_START = 60  # seconds that a process may take until it is ready
_PATIENCE = 3  # recipients of one request that may overrun before the others are given up
_MARGIN = 1.0  # seconds for the way to and from it


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLimits:
    """What one rendering may take: seconds, bytes of a process's memory, characters of a body."""

    seconds: float = 5
    memory: int = 256 * 1024 * 1024
    output: int = 1024 * 1024
    processes: int = 2


class Workers:
    """Asks worker processes, one request at a time each; others wait their turn.

    One template has one process at a time, so that a template that is stuck leaves the others
    free for all other templates. Belongs to one event loop.
    """

    def __init__(self, limits: RenderLimits) -> None:
        self.limits = limits
        self._idle: list[_Process] = []
        self._slots = asyncio.Semaphore(limits.processes)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._closed = False

    async def check(self, bundle: Bundle, brand: Mapping[str, Any]) -> list[TemplateError]:
        """The faults of a template."""
        answer = await self._ask(bundle, {"do": "check", "brand": brand}, self.limits.seconds)
        if "error" in answer:
            return [read_error(answer["error"])]
        return [read_error(fault) for fault in answer["result"]]

    async def compare(
        self, old: Bundle, new: Bundle, old_name: str, new_name: str
    ) -> list[dict[str, str]]:
        """The files that differ; here, because a hostile file can keep a diff busy for hours."""
        request = {"do": "compare", "other": dict(old.files), "old": old_name, "new": new_name}
        answer = await self._ask(new, request, self.limits.seconds)
        if "error" in answer:
            raise read_error(answer["error"])
        differences: list[dict[str, str]] = answer["result"]
        return differences

    async def render(
        self,
        bundle: Bundle,
        items: Sequence[Mapping[str, Any]],
        *,
        brand: Mapping[str, Any],
        language: str,
        zone: str,
    ) -> list[dict[str, Any]]:
        """For each item its mail's parts, `{"error": TemplateError}` or `{"problems": […]}`.

        Items have data, extra, language and zone. Where they overrun together each is tried by
        itself, until three have overrun by themselves.
        """
        request = {
            "do": "render", "brand": brand, "language": language, "zone": zone, "items": items
        }  # fmt: skip
        answer = await self._ask(bundle, request, self.limits.seconds)
        if "error" not in answer:
            results: list[dict[str, Any]] = answer["result"]
            for result in results:
                if "error" in result:
                    result["error"] = read_error(result["error"])
            return results
        error = read_error(answer["error"])
        if len(items) == 1:
            return [{"error": error}]
        return await self._one_by_one(bundle, items, brand=brand, language=language, zone=zone)

    async def _one_by_one(
        self, bundle: Bundle, items: Sequence[Mapping[str, Any]], **others: Any
    ) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        overruns: list[TemplateLimitError] = []
        for item in items:
            if len(overruns) < _PATIENCE:
                results += await self.render(bundle, [item], **others)
                error = results[-1].get("error")
                overruns += [error] if isinstance(error, TemplateLimitError) else []
            else:
                results.append({"error": overruns[-1]})
        return results

    async def _ask(
        self, bundle: Bundle, request: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        turn = self._turns.setdefault(bundle.digest, asyncio.Lock())
        asked = {
            **request, "bundle": bundle.digest, "seconds": seconds, "limit": self.limits.output
        }  # fmt: skip
        try:
            framed = frames.frame(asked)
        except RecursionError:
            return _overrun("Its data is nested too deep.", "Nest it less.")
        async with turn, self._slots:
            answer = await self._try(framed, asked, bundle, seconds)
            if answer.get("stale"):
                # It may be what the process did before that broke it: a new one tells.
                answer = await self._try(framed, asked, bundle, seconds, fresh=True)
        return answer

    async def _try(
        self,
        framed: bytes,
        asked: Mapping[str, Any],
        bundle: Bundle,
        seconds: float,
        *,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """One process's answer; with `stale` where one that had served before came to its end."""
        process = self._idle.pop() if self._idle and not fresh else await self._start()
        served = process.answers
        try:
            answer = await process.ask(framed, lambda: _with_files(asked, bundle), seconds)
        except TimeoutError:
            return _overrun(
                f"It takes longer than {seconds:g} seconds.",
                "Shorten the loop or the data, or raise MAILROOM_TEMPLATE_SECONDS.",
            )
        except (EOFError, ConnectionError):
            died = _overrun(
                "The process that renders it has died; most likely it needs too much memory.",
                "Shorten the template or its data, or raise MAILROOM_TEMPLATE_MEMORY.",
            )
            return {**died, "stale": served > 0}
        finally:
            room = len(self._idle) < self.limits.processes
            if process.usable and room and not self._closed:
                self._idle.append(process)
            else:
                await asyncio.shield(process.stop())
        return {**answer, "stale": served > 0} if answer.get("broken") else answer

    async def _start(self) -> "_Process":
        process = _Process(self.limits)
        try:
            await process.start()
        except BaseException:
            await asyncio.shield(process.stop())
            raise
        return process

    async def aclose(self) -> None:
        """Ends the processes. Renderings under way are not waited for, but end theirs."""
        self._closed = True
        while self._idle:
            await self._idle.pop().stop()


class _Process:
    """One process. `usable`: it has answered all that it was asked."""

    def __init__(self, limits: RenderLimits) -> None:
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self.usable = False
        self.answers = 0

    async def start(self) -> None:
        path = [str(_ROOT), *(entry for entry in sys.path if entry)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-s", "-m", "shared.templates.worker", str(self._limits.memory),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, cwd="/",
            # Nothing of the app's environment: it holds the keys to storage.
            env={"PYTHONPATH": ":".join(dict.fromkeys(path)), "LANG": "C.UTF-8"},
        )  # fmt: skip
        async with asyncio.timeout(_START):
            try:
                await self._read()
            except EOFError:
                raise TemplateError(
                    "The process that renders does not start.",
                    fix="Raise MAILROOM_TEMPLATE_MEMORY; check that jinja2, mrml and css-inline "
                    "are installed.",
                ) from None
        self.usable = True

    async def ask(
        self, request: bytes, whole: Callable[[], bytes], seconds: float
    ) -> dict[str, Any]:
        """The answer. whole: the request with the bundle's files, for a process without them.

        Raises TimeoutError, or EOFError where the process has died.
        """
        self.usable = False
        async with asyncio.timeout(seconds + _MARGIN):
            answer = await self._exchange(request)
            if answer.get("need"):
                answer = await self._exchange(whole())
        self.answers += 1
        self.usable = not answer.get("broken")
        return answer

    async def _exchange(self, request: bytes) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(request)
        await self._process.stdin.drain()
        return await self._read()

    async def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        header = await self._process.stdout.readexactly(frames.HEADER)
        body = await self._process.stdout.readexactly(frames.length(header))
        answer: dict[str, Any] = frames.value(body)
        return answer

    async def stop(self) -> None:
        """Kills it, and waits for its end."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


def _with_files(request: Mapping[str, Any], bundle: Bundle) -> bytes:
    return frames.frame({**request, "files": dict(bundle.files)})


def _overrun(detail: str, fix: str) -> dict[str, Any]:
    return {"error": {"detail": detail, "fix": fix, "limit": True}}


def read_error(told: Mapping[str, Any]) -> TemplateError:
    """The error that a worker described."""
    kind = TemplateLimitError if told.get("limit") else TemplateError
    return kind(
        told["detail"], fix=told.get("fix", ""), file=told.get("file", ""),
        line=told.get("line", 0), path=told.get("path", ""),
    )  # fmt: skip
