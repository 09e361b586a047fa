"""Output bindings: what a function sets becomes queue messages and blobs after it returns.

As Azure's host does: the queue is created when missing, a JSON array becomes one message an item,
and JSON objects are written indented.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.functions.bindings import BlobOutput, FunctionDefinition, QueueOutput
from local.functions.protocol import TypedData
from local.functions.storage import Connections
from local.functions.worker import InvocationResult

_EXPRESSION = re.compile(r"\{([^{}:]+)(?::([^{}]*))?\}")


class OutputError(ValueError):
    """An output's value or path cannot be used; the message names it."""


class Outputs:
    """`enqueued(queue)` is told of each queue written: a listener here need not wait to poll."""

    def __init__(
        self, connections: Connections, *, encode: bool, enqueued: Callable[[str], None]
    ) -> None:
        self._connections = connections
        self._encode = encode
        self._enqueued = enqueued

    async def write(
        self,
        function: FunctionDefinition,
        result: InvocationResult,
        metadata: Mapping[str, TypedData],
    ) -> None:
        for output in function.outputs:
            value = (
                result.return_value
                if output.parameter == "$return"
                else result.outputs.get(output.parameter)
            )
            if value is None or value.kind is None:
                continue
            if isinstance(output, QueueOutput):
                await self._write_queue(output, value)
            else:
                await self._write_blob(output, value, metadata)

    async def _write_queue(self, output: QueueOutput, value: TypedData) -> None:
        queue = self._connections.queues(output.connection).get_queue_client(output.queue)
        for message in _messages(value):
            text = (
                base64.b64encode(message).decode("ascii")
                if self._encode
                else message.decode("utf-8")
            )
            await send_creating(queue, text)
        self._enqueued(output.queue)

    async def _write_blob(
        self, output: BlobOutput, value: TypedData, metadata: Mapping[str, TypedData]
    ) -> None:
        container_name, _, name = expand_path(output.path, metadata).strip("/").partition("/")
        service = self._connections.blobs(output.connection)
        blob = service.get_blob_client(container_name, name)
        body = _encoded(value)
        try:
            await blob.upload_blob(body, overwrite=True)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await service.create_container(container_name)
            await blob.upload_blob(body, overwrite=True)


async def send_creating(queue: QueueClient, text: str) -> None:
    """Send one message as it is; make the queue if it does not exist."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)


def expand_path(path: str, metadata: Mapping[str, TypedData]) -> str:
    """Fill a path's `{rand-guid}`, `{datetime}` and `{name of trigger metadata}`."""
    known = {name.lower(): value for name, value in metadata.items()}

    def replace(match: re.Match[str]) -> str:
        name = match.group(1).strip().lower()
        if name == "rand-guid":
            return str(uuid.uuid4())
        if name == "datetime":
            return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        if name not in known:
            raise OutputError(
                f"The blob path '{path}' needs '{match.group(1)}', which this trigger does not "
                f"give: it gives {', '.join(sorted(known)) or 'nothing'}."
            )
        return str(known[name].value)

    return _EXPRESSION.sub(replace, path)


def _encoded(value: TypedData) -> bytes:
    if isinstance(value.value, bytes):
        return value.value
    return str(value.value).encode()


def _messages(value: TypedData) -> Iterator[bytes]:
    if value.kind == "bytes":
        yield _encoded(value)
        return
    text = str(value.value)
    try:
        parsed = json.loads(text) if text.lstrip()[:1] in ("[", "{") else text
    except ValueError:
        parsed = text
    for item in parsed if isinstance(parsed, list) else [parsed]:
        written = item if isinstance(item, str) else json.dumps(item, indent=2, ensure_ascii=False)
        yield written.encode()
