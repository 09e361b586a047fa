"""One connection to each of the three storage services, opened at first use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import MailroomError, StorageUnavailableError
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

# The SDK's own defaults block for a minute and a half when storage is away: a function should
# rather fail, and have its queue message again later. Tables wait by the factor; queues and blobs,
# whose own first wait is 15 seconds, by the other three: about a second each time.
_BOUNDS: dict[str, Any] = {
    "retry_total": 3,
    "retry_connect": 2,
    "retry_backoff_factor": 0.4,
    "initial_backoff": 0,
    "increment_base": 1,
    "random_jitter_range": 0.5,
    "connection_timeout": 5,
    "read_timeout": 30,
    # aiohttp would look for proxies and a .netrc, in a thread, at each request: a fifth of the
    # CPU that a message costs. Storage is reached directly.
    "use_env_settings": False,
}


PERSIST_TRIES = 6  # with pauses of 0.5, 1, 2, 4 and 8 s between them


class CredentialSource(Protocol):
    """Where the connection gets the managed identity, if there is no connection string."""

    @property
    def credential(self) -> "AsyncTokenCredential": ...


class StorageConnection:
    """The clients of the storage account that the settings name.

    The SDKs cost a second at import: each is imported when its service is first used.
    """

    def __init__(self, settings: Settings, accounts: CredentialSource) -> None:
        self._settings = settings
        self._accounts = accounts
        self._tables: TableServiceClient | None = None
        self._queues: QueueServiceClient | None = None
        self._blobs: BlobServiceClient | None = None

    @property
    def tables(self) -> "TableServiceClient":
        if self._tables is None:
            from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415

            self._tables = self._open(TableServiceClient, self._settings.table_url)
        return self._tables

    @property
    def queues(self) -> "QueueServiceClient":
        if self._queues is None:
            from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415

            self._queues = self._open(QueueServiceClient, self._settings.queue_url)
        return self._queues

    @property
    def blobs(self) -> "BlobServiceClient":
        if self._blobs is None:
            from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

            self._blobs = self._open(BlobServiceClient, self._settings.blob_url)
        return self._blobs

    def _open(self, service: Any, url: str) -> Any:
        if self._settings.storage_connection:
            return service.from_connection_string(self._settings.storage_connection, **_BOUNDS)
        # The table client calls the address "endpoint", the others "account_url".
        return service(url, credential=self._accounts.credential, **_BOUNDS)

    async def aclose(self) -> None:
        for client in (self._tables, self._queues, self._blobs):
            if client is not None:
                await client.close()


@asynccontextmanager
async def storage_errors(doing: str) -> AsyncIterator[None]:
    """Turns the SDK's errors into ours: an outage or a missing role, told apart.

    `doing` completes the sentence "Storage failed while …". Errors that mean something to the
    caller (not found, exists, changed) pass through for it to handle first.
    """
    from azure.core.exceptions import (  # noqa: PLC0415
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
    )

    try:
        yield
    except MailroomError:
        raise
    except ClientAuthenticationError as error:
        raise StorageUnavailableError(
            f"Storage refused while {doing}: {_code(error)}.",
            fix="Give the app's identity the roles Storage Blob Data Owner, Storage Queue Data "
            "Contributor and Storage Table Data Contributor on the account (new role assignments "
            "take minutes to work).",
        ) from error
    except HttpResponseError as error:
        if error.status_code == 403:  # noqa: PLR2004
            raise StorageUnavailableError(
                f"Storage refused while {doing}: {_code(error)}.",
                fix="Check the identity's roles on the storage account, its firewall, and that "
                "this machine's clock is right.",
            ) from error
        raise StorageUnavailableError(f"Storage failed while {doing}: {_code(error)}.") from error
    except AzureError as error:
        raise StorageUnavailableError(
            f"Storage does not answer while {doing}: {type(error).__name__}.",
            fix="Check the addresses in AzureWebJobsStorage and the network.",
        ) from error


async def persist[T](write: Callable[[], Awaitable[T]]) -> T:
    """Writes what must not be forgotten for a hiccup of storage."""
    for number in range(PERSIST_TRIES - 1):
        try:
            return await write()
        except StorageUnavailableError:
            await asyncio.sleep(0.5 * 2**number)
    return await write()


def error_code(error: Any) -> str:
    """The service's code of an error, such as "EntityAlreadyExists", or ""."""
    headers = getattr(error.response, "headers", {})
    # Some of the SDK's errors have it as an enumeration, some as text, some not at all.
    code = getattr(error, "error_code", None) or headers.get("x-ms-error-code") or ""
    return str(getattr(code, "value", code))


def _code(error: Any) -> str:
    status = error.status_code or type(error).__name__
    return f"{status} {error_code(error) or error.reason or ''}".strip()
