"""Calls of functions: counted, timed, logged, their outputs written, bounded in time."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from local.functions.bindings import FunctionDefinition
from local.functions.logs import Call, current_call
from local.functions.protocol import TypedData
from local.functions.worker import InvocationResult, Worker


class OutputWriter(Protocol):
    async def write(
        self,
        function: FunctionDefinition,
        result: InvocationResult,
        metadata: Mapping[str, TypedData],
    ) -> None: ...


class Invocations:
    """Runs functions for the listeners. `on_timeout` is told of a call over `function_timeout`."""

    def __init__(
        self,
        worker: Worker,
        outputs: OutputWriter,
        *,
        function_timeout: timedelta | None,
        on_timeout: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._outputs = outputs
        self._timeout = function_timeout.total_seconds() if function_timeout else None
        self._on_timeout = on_timeout
        self._loggers: dict[str, logging.Logger] = {}
        self._running: dict[str, Call] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> list[Call]:
        return list(self._running.values())

    async def drained(self, within: float) -> bool:
        """Wait until nothing runs, at most so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(
        self,
        function: FunctionDefinition,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        reason: str,
        trace_parent: str = "",
    ) -> InvocationResult:
        call = Call(function.name, str(uuid.uuid4()))
        token = current_call.set(call)
        log = self._logger(function.name)
        log.info("Executing (%s, Id=%s)", reason, call.invocation_id)
        started = time.perf_counter()
        self._running[call.invocation_id] = call
        self._idle.clear()
        try:
            result = await self._bounded(call, function, value, metadata, trace_parent)
            if result.succeeded and function.outputs:
                result = await self._write(function, result, metadata)
            self._tell(log, call, result, time.perf_counter() - started)
        finally:
            current_call.reset(token)
            del self._running[call.invocation_id]
            if not self._running:
                self._idle.set()
        return result

    async def _bounded(
        self,
        call: Call,
        function: FunctionDefinition,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        trace_parent: str,
    ) -> InvocationResult:
        work = self._worker.invoke(
            call,
            function.function_id,
            function.trigger.parameter,
            value,
            metadata=metadata,
            trace_parent=trace_parent,
        )
        if self._timeout is None:
            return await work
        running = asyncio.ensure_future(work)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(running)
        except TimeoutError:
            self._on_timeout(function.name)
            return InvocationResult(
                succeeded=False,
                error=(
                    f"The function ran longer than functionTimeout ({self._timeout:g} s) of "
                    f"host.json: the host ends, as Azure recycles the worker."
                ),
            )

    async def _write(
        self,
        function: FunctionDefinition,
        result: InvocationResult,
        metadata: Mapping[str, TypedData],
    ) -> InvocationResult:
        try:
            await self._outputs.write(function, result, metadata)
        except Exception as error:  # noqa: BLE001 - a failed output is a failed call
            return InvocationResult(
                succeeded=False,
                error=f"An output could not be written: {type(error).__name__}: {error}",
            )
        return result

    def _tell(
        self, log: logging.Logger, call: Call, result: InvocationResult, seconds: float
    ) -> None:
        if result.succeeded:
            log.info("Executed (Succeeded, Id=%s, %.0f ms)", call.invocation_id, seconds * 1000)
            return
        log.error(
            "Executed (Failed, Id=%s, %.0f ms): %s",
            call.invocation_id,
            seconds * 1000,
            result.error,
            extra={"stack_trace": result.stack_trace.rstrip()},
        )

    def _logger(self, function: str) -> logging.Logger:
        logger = self._loggers.get(function)
        if logger is None:
            logger = self._loggers[function] = logging.getLogger(f"Function.{function}")
        return logger
