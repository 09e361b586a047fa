"""The Python worker: Microsoft's library on a thread and an event loop of its own.

An app's blocking code then holds up only its own functions, as in Azure, never the host's renewals
and polls. The library keeps its state in module globals: one worker a process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.functions import protocol
from local.functions.logs import Call, CallRegister, current_call
from local.functions.protocol import (
    InvocationRequest,
    InvocationResponse,
    ParameterBinding,
    RpcFunctionMetadata,
    StatusResult,
    StreamingMessage,
    TraceContext,
    TypedData,
    WorkerInitRequest,
    WorkerRequest,
)

_log = logging.getLogger("Host.Worker")


class AppLoadError(RuntimeError):
    """The app cannot be indexed; the message carries the library's reason and traceback."""


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """How a call ended: its values, or the error's text and traceback."""

    succeeded: bool
    return_value: TypedData | None = None
    outputs: Mapping[str, TypedData] = field(default_factory=dict)
    error: str = ""
    stack_trace: str = ""
    abandoned: bool = False  # the host stopped before the function ended


class Worker:
    def __init__(self, app: Path, calls: CallRegister) -> None:
        self._app = app
        self._calls = calls
        self._loop = asyncio.new_event_loop()
        # A daemon: a function that never ends must not keep the process alive.
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)

    async def start(self) -> Sequence[RpcFunctionMetadata]:
        """Import and index the app. Raises AppLoadError."""
        self._thread.start()
        return await self._await(self._load())

    async def invoke(
        self,
        call: Call,
        function_id: str,
        parameter: str,
        value: TypedData,
        *,
        metadata: Mapping[str, TypedData],
        trace_parent: str = "",
    ) -> InvocationResult:
        """Run one function to its end. Never raises for what the function does."""
        request = InvocationRequest(
            invocation_id=call.invocation_id,
            function_id=function_id,
            input_data=[ParameterBinding(parameter, value)],
            trigger_metadata=metadata,
            trace_context=TraceContext(trace_parent or _new_trace_parent()),
        )
        return await self._await(self._invoke(call, request))

    async def stop(self) -> None:
        """End the worker's loop: its remaining tasks are cancelled and generators closed."""
        if not self._thread.is_alive():
            return
        await self._await(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, 5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _await[T](self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _load(self) -> Sequence[RpcFunctionMetadata]:
        script = self._app / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
        if not script.is_file():
            raise AppLoadError(
                f"{script} does not exist: --app names the folder that holds the function app."
            )
        sys.path.insert(0, str(self._app))
        import azure_functions_runtime as library

        library.start_threadpool_executor()
        response = await library.worker_init_request(
            WorkerRequest(
                StreamingMessage(worker_init_request=WorkerInitRequest(str(self._app))),
                {"host": "127.0.0.1", "protos": protocol},
            )
        )
        _check(response.result)
        if "HttpUri" in response.capabilities:
            raise AppLoadError(
                "The app uses HTTP streaming (azurefunctions.extensions.http), which the local "
                "Functions host does not have: use func.HttpRequest and func.HttpResponse."
            )
        indexed = (await library.functions_metadata_request(None)).function_metadata_results
        if not indexed:
            raise AppLoadError(f"{script} defines no functions.")
        functions: Sequence[RpcFunctionMetadata] = indexed
        return functions

    async def _invoke(self, call: Call, request: InvocationRequest) -> InvocationResult:
        import azure_functions_runtime as library

        current_call.set(call)
        self._calls.enter(call)
        try:
            response: InvocationResponse = await library.invocation_request(
                WorkerRequest(StreamingMessage(invocation_request=request))
            )
        except asyncio.CancelledError:
            return InvocationResult(
                succeeded=False, error="The host stopped during the call.", abandoned=True
            )
        except BaseException as error:  # noqa: BLE001 - the library catches only Exception
            return InvocationResult(succeeded=False, error=f"{type(error).__name__}: {error}")
        finally:
            self._calls.leave(call)
        return _result(response)


def _result(response: InvocationResponse) -> InvocationResult:
    if response.result.status != StatusResult.Success:
        failure = response.result.exception
        return InvocationResult(
            succeeded=False,
            error=failure.message if failure else "The function failed without an exception.",
            stack_trace=failure.stack_trace if failure else "",
        )
    return InvocationResult(
        succeeded=True,
        return_value=response.return_value,
        outputs={output.name: output.data for output in response.output_data},
    )


def _check(result: StatusResult) -> None:
    if result.status == StatusResult.Success:
        return
    failure = result.exception
    assert failure is not None
    raise AppLoadError(
        f"The app cannot be loaded: {failure.message}\n{failure.stack_trace}".rstrip()
    )


async def _cancel_others() -> None:
    this = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not this]
    for task in others:
        task.cancel()
    if others:
        _, pending = await asyncio.wait(others, timeout=2)
        for task in pending:
            _log.warning("A task of the app does not end when cancelled: %s", task.get_name())


def _new_trace_parent() -> str:
    """W3C Trace Context, section 3.2: version, trace id, parent id, flags."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
