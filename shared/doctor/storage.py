"""Storage: is everything there, may the app read and write it, and is anything stuck?

Nothing is changed: whether it may be written shows by deleting what cannot exist, which Storage
answers with 404 to whoever may delete, and with 403 to whoever may not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import StorageUnavailableError
from shared.storage.connection import StorageConnection, storage_errors
from shared.storage.names import CONTAINERS, MAIL_CONTENT, OUTBOUND_MAIL, POISON, QUEUES, TABLES

_AT_ONCE = 5
_STUCK = timedelta(minutes=15)
_NOBODY = "mailroom-doctor-no-such-thing"
_NOT_FOUND, _BAD_REQUEST = 404, 400
_CREATE = (
    "Deploy infra/ again, which makes it, or create it: `az storage {kind} create --name {name} "
    "--account-name <account> --auth-mode login`."
)


async def check_queues(patient: Patient) -> Sequence[Finding]:
    """Queues: there, readable and writable; what waits in them, and what has failed."""
    storage = patient.storage

    async def look(name: str) -> list[Finding]:
        client = storage.queues.get_queue_client(name)
        depth = (await client.get_queue_properties()).approximate_message_count or 0
        if not depth:
            return []
        if name.endswith(POISON):
            return [_poison(name, depth)]
        peeked = await client.peek_messages(max_messages=1)
        since = peeked[0].inserted_on if peeked else None
        waited = patient.clock() - since if since else timedelta(0)
        return [_waiting(name, depth, waited)]

    async def write() -> None:
        client = storage.queues.get_queue_client(OUTBOUND_MAIL)
        await client.delete_message("00000000-0000-0000-0000-000000000000", "AAAAAAAAAAAAAAAA")

    return await _examine("queue", QUEUES, look, write, role="Storage Queue Data Contributor")


async def check_tables(patient: Patient) -> Sequence[Finding]:
    """Tables: there, readable and writable."""
    storage = patient.storage

    async def look(name: str) -> list[Finding]:
        pages = storage.tables.get_table_client(name).list_entities(
            results_per_page=1, select=["PartitionKey"]
        )
        async for _ in pages:
            break
        return []

    async def write() -> None:
        await storage.tables.get_table_client(TABLES[0]).delete_entity(_NOBODY, _NOBODY)

    return await _examine("table", TABLES, look, write, role="Storage Table Data Contributor")


async def check_containers(patient: Patient) -> Sequence[Finding]:
    """Blob containers: there, readable and writable."""
    storage: StorageConnection = patient.storage

    async def look(name: str) -> list[Finding]:
        await storage.blobs.get_container_client(name).get_container_properties()
        return []

    async def write() -> None:
        await storage.blobs.get_blob_client(MAIL_CONTENT, _NOBODY).delete_blob()

    return await _examine("container", CONTAINERS, look, write, role="Storage Blob Data Owner")


async def _examine(
    kind: str,
    names: Sequence[str],
    look: Callable[[str], Awaitable[list[Finding]]],
    write: Callable[[], Awaitable[Any]],
    *,
    role: str,
) -> list[Finding]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> list[Finding]:
        async with gate:
            return await _look(kind, name, look)

    try:
        found = [f for findings in await asyncio.gather(*map(one, names)) for f in findings]
        await _try_writing(kind, write)
    except StorageUnavailableError as error:
        return [_refused(kind, error, role)]
    if all(finding.severity == Severity.OK for finding in found):
        found.append(
            Finding(
                check=f"storage.{kind}", severity=Severity.OK,
                detail=f"All {len(names)} {kind}s are there and may be read and written.",
            )
        )  # fmt: skip
    return found


async def _look(
    kind: str, name: str, look: Callable[[str], Awaitable[list[Finding]]]
) -> list[Finding]:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

    async with storage_errors(f"looking at {kind} {name}"):
        try:
            return await look(name)
        except ResourceNotFoundError:
            return [
                Finding(
                    check=f"storage.{kind}", severity=Severity.ERROR, subject=name,
                    detail=f"There is no {kind} {name}.",
                    cause="It was never made (a deployment without infra/), or was deleted.",
                    fix=_CREATE.format(kind=kind, name=name),
                )
            ]  # fmt: skip


async def _try_writing(kind: str, write: Callable[[], Awaitable[Any]]) -> None:
    from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

    async with storage_errors(f"asking whether {kind}s may be written"):
        try:
            await write()
        except HttpResponseError as error:
            if error.status_code not in {_NOT_FOUND, _BAD_REQUEST}:
                raise


def _refused(kind: str, error: StorageUnavailableError, role: str) -> Finding:
    refused = "refused" in error.detail
    return Finding(
        check=f"storage.{kind}-access", severity=Severity.ERROR, detail=error.detail,
        cause="The app's identity lacks the role, has had it for minutes only, or the account's "
        "firewall keeps it out."
        if refused
        else "The account is not there, or the network does not lead to it.",
        fix=f"Give the app's identity the role {role} on the storage account, and check its "
        "firewall."
        if refused
        else error.fix or "Check the addresses in AzureWebJobsStorage and the network.",
    )  # fmt: skip


def _poison(name: str, depth: int) -> Finding:
    return Finding(
        check="storage.poison", severity=Severity.WARNING, subject=name,
        detail=f"About {depth} messages lie in {name}.",
        cause="Handling them failed at every try; the function app's log says why.",
        fix=f"Mend the cause, then put them back into {name.removesuffix(POISON)} (Storage "
        "browser in the portal), or delete what nobody needs.",
    )  # fmt: skip


def _waiting(name: str, depth: int, waited: timedelta) -> Finding:
    minutes = waited.total_seconds() / 60
    if waited <= _STUCK:
        return Finding(
            check="storage.waiting", severity=Severity.OK, subject=name,
            detail=f"About {depth} messages are in the queue; the first has waited for "
            f"{max(minutes, 0):.0f} minutes.",
        )  # fmt: skip
    return Finding(
        check="storage.waiting", severity=Severity.WARNING, subject=name,
        detail=f"About {depth} messages are in the queue; the first was put there {minutes:.0f} "
        "minutes ago and is taken by nobody.",
        cause="The function app is stopped, its trigger cannot read the queue, or more is sent "
        "than the mailboxes may send.",
        fix="See whether the function app runs and its log tells of errors; `GET /api/quota` shows "
        "what the mailboxes may still send.",
    )  # fmt: skip
