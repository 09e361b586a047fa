"""Looks for secrets and tokens where none may be, in every form that they could take there."""

import base64
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from functools import cache
from typing import Any
from urllib.parse import quote

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.contoso import APP_CLIENT_ID
from local.stack import LocalStack

type Place = tuple[str, bytes]

_SHORTEST = 12  # characters of a form that is looked for; what is shorter is found by chance

# What is found without any value being known.
_PATTERNS = {
    "a JWT": re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}"),
    "a refresh token": re.compile(rb"\b1\.gAAAA[\w-]{20,}"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}


@dataclass(frozen=True, slots=True)
class Leak:
    """What was found, and where; never the value itself."""

    kind: str
    place: str


class Secrets:
    """The values that are known, by kind."""

    def __init__(self) -> None:
        self._forms = dict.fromkeys(_forms("\x01auth=Bearer eyJ"), "an XOAUTH2 response")

    def add(self, kind: str, value: str) -> None:
        """Look for the value from now on; of a JWT its signature, of a PEM key its lines."""
        if value.count(".") == 2 and value.startswith("eyJ"):
            value = value.rpartition(".")[2]
        for line in value.splitlines():
            if len(line) >= _SHORTEST and not line.startswith("-----"):
                self._forms |= dict.fromkeys(_forms(line.strip()), kind)

    def learn(self, stack: LocalStack) -> None:
        """Everything secret that the stack's parts hold now."""
        for secret in stack.entra.directory.app(APP_CLIENT_ID).secrets:
            self.add("a client secret", secret.value)
        for latest in stack.vault.store.latest():
            for version in stack.vault.store.versions(latest.name):
                for value in _parts(version.value):
                    self.add(f"the secret {latest.name}", value)
        self.add("the identity header", stack.identity.header)
        connection = dict(
            part.split("=", 1) for part in stack.azurite.connection_string.strip(";").split(";")
        )
        self.add("the storage account's key", connection["AccountKey"])
        keys = json.loads((stack.folder / "functions-keys.json").read_text())
        for value in _strings(keys):
            self.add("a function key", value)

    def watch(self, stack: LocalStack) -> None:
        """Every token that the stack's issuer signs or seals from now on."""
        keys = stack.entra.keys
        sign, seal = keys.sign, keys.seal

        def note_signed(claims: Mapping[str, Any]) -> str:
            token = sign(claims)
            self.add("a token", token)
            return token

        def note_sealed(content: bytes) -> str:
            token = seal(content)
            self.add("a refresh token", token)
            return token

        keys.sign, keys.seal = note_signed, note_sealed  # type: ignore[method-assign]

    def find(self, place: str, content: bytes) -> set[Leak]:
        """What is in the content."""
        found = {Leak(kind, place) for form, kind in self._forms.items() if form in content}
        found |= {
            Leak(kind, place) for kind, pattern in _PATTERNS.items() if pattern.search(content)
        }
        return found


@cache
def _forms(value: str) -> frozenset[bytes]:
    """The value as it is, in a URL, and inside base64 at each of the three offsets."""
    raw = value.encode()
    forms = {raw, quote(value, safe="").encode()}
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * shift + raw)
        inner = encoded[first : (shift + len(raw)) // 3 * 4]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


def _parts(value: str) -> Iterator[str]:
    """What is secret of a Key Vault secret's value: of a token cache the refresh tokens."""
    try:
        cache_state = json.loads(value)
    except ValueError:
        # Of a certificate with its key, the key: the certificate is public.
        key = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END", value, re.DOTALL)
        yield key.group() if key else value
        return
    for entry in cache_state["RefreshToken"].values():
        yield entry["secret"]


def _strings(value: object) -> Iterator[str]:
    match value:
        case dict():
            for child in value.values():
                yield from _strings(child)
        case str():
            yield value


async def places(stack: LocalStack) -> AsyncIterator[Place]:
    """All that the app has written: its log, the mail it sent, tables, queues and blobs."""
    yield "log", stack.host.log().encode()
    for kept in stack.office365.messages:
        yield f"mail {kept.number}", kept.content
        # Encoded, a long value is broken over lines.
        for part in BytesParser().parsebytes(kept.content).walk():
            content = part.get_payload(decode=True)
            yield f"mail {kept.number}", content if isinstance(content, bytes) else b""
    for source in (_tables, _queues, _blobs):
        async for place in source(stack):
            yield place


def _client(service: Any, stack: LocalStack) -> Any:
    return service.from_connection_string(stack.azurite.connection_string, **stack.storage_options)


async def _tables(stack: LocalStack) -> AsyncIterator[Place]:
    async with _client(TableServiceClient, stack) as tables:
        async for table in tables.list_tables():
            async for entity in tables.get_table_client(table.name).list_entities():
                for name, value in entity.items():
                    place = f"table {table.name}, {entity['RowKey']}, {name}"
                    if isinstance(value, bytes):
                        yield place, value
                        yield place, _inflated(value)
                    else:
                        yield place, str(value).encode()


async def _queues(stack: LocalStack) -> AsyncIterator[Place]:
    async with _client(QueueServiceClient, stack) as queues:
        async for queue in queues.list_queues():
            client = queues.get_queue_client(queue.name)
            # Received, not peeked at: a peek shows 32 at most. They are back in a minute.
            async for message in client.receive_messages(
                messages_per_page=32, visibility_timeout=60
            ):
                yield f"queue {queue.name}", message.content.encode()


async def _blobs(stack: LocalStack) -> AsyncIterator[Place]:
    async with _client(BlobServiceClient, stack) as blobs:
        async for container in blobs.list_containers():
            client = blobs.get_container_client(container.name)
            async for blob in client.list_blobs():
                stream = await client.download_blob(blob.name)
                yield f"blob {container.name}/{blob.name}", await stream.readall()


def _inflated(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return b""


async def find_leaks(stack: LocalStack, secrets: Secrets) -> set[Leak]:
    """Every secret or token in what the app has written."""
    secrets.learn(stack)
    found: set[Leak] = set()
    async for place, content in places(stack):
        found |= secrets.find(place, content)
    return found
