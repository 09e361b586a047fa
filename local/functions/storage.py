"""Connections to Azure Storage, found by the name that a binding gives.

As in Azure: the setting `NAME` (or `AzureWebJobsNAME`) holds a connection string, or the settings
`NAME__queueServiceUri`, `NAME__blobServiceUri` (or `NAME__accountName`) with
`NAME__credential=managedidentity` and `NAME__clientId` describe an identity-based connection.
https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

# The SDK's own retries wait 15 s and more: a listener's next poll is its retry.
_CLIENT: Mapping[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "connection_timeout": 5,
    "read_timeout": 30,
}


def _options(connection: str) -> dict[str, Any]:
    """Without a look for proxies and netrc at each request to this machine: a tenth of its cost."""
    near = "//127.0.0.1:" in connection or "//localhost:" in connection
    return {**_CLIENT, "use_env_settings": False} if near else dict(_CLIENT)


class StorageConnectionError(ValueError):
    """A connection is missing or incomplete; the message names the setting and the fix."""


class Connections:
    """Storage clients by connection name, one each for queues and blobs, closed together."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = {name.lower(): value for name, value in settings.items()}
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: dict[str, BlobServiceClient] = {}
        self._credentials: list[AsyncTokenCredential] = []

    def queues(self, name: str) -> QueueServiceClient:
        from azure.storage.queue.aio import QueueServiceClient

        if name not in self._queues:
            text = self._setting(name)
            self._queues[name] = (
                QueueServiceClient.from_connection_string(text, **_options(text))
                if text
                else self._by_identity(QueueServiceClient, name, "queue")
            )
        return self._queues[name]

    def blobs(self, name: str) -> BlobServiceClient:
        from azure.storage.blob.aio import BlobServiceClient

        if name not in self._blobs:
            text = self._setting(name)
            self._blobs[name] = (
                BlobServiceClient.from_connection_string(text, **_options(text))
                if text
                else self._by_identity(BlobServiceClient, name, "blob")
            )
        return self._blobs[name]

    async def close(self) -> None:
        for queues in self._queues.values():
            await queues.close()
        for blobs in self._blobs.values():
            await blobs.close()
        for credential in self._credentials:
            await credential.close()
        self._queues.clear()
        self._blobs.clear()
        self._credentials.clear()

    def _setting(self, name: str) -> str:
        lowered = name.lower()
        return self._settings.get(f"azurewebjobs{lowered}") or self._settings.get(lowered) or ""

    def _by_identity[C](self, client: Callable[..., C], name: str, service: str) -> C:
        account = self._setting(f"{name}__accountName")
        address = (
            self._setting(f"{name}__{service}ServiceUri")
            or self._setting(f"{name}__serviceUri")
            or (f"https://{account}.{service}.core.windows.net" if account else "")
        )
        if not address:
            raise StorageConnectionError(
                f"The storage connection '{name}' is not set: give the setting '{name}' a "
                f"connection string, or set '{name}__{service}ServiceUri' and "
                f"'{name}__credential' for an identity-based one."
            )
        credential = self._credential(name)
        self._credentials.append(credential)
        return client(address, credential, **_options(address))

    def _credential(self, name: str) -> AsyncTokenCredential:
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        kind = self._setting(f"{name}__credential").lower()
        client_id = self._setting(f"{name}__clientId")
        if kind == "managedidentity":
            return ManagedIdentityCredential(client_id=client_id or None)
        if kind:
            raise StorageConnectionError(
                f"The setting '{name}__credential' is '{kind}': 'managedidentity' is what the "
                f"local Functions host knows; without it the developer's own sign-in is used."
            )
        return DefaultAzureCredential()
