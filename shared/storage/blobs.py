"""A blob container: whole blobs, read and written in one go, with a bound."""

from typing import TYPE_CHECKING

from shared.errors import AlreadyExistsError, ChangedError, NotFoundError
from shared.storage.connection import StorageConnection, storage_errors

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient


def is_blob_name(name: str) -> bool:
    """Whether a blob can have this name: 1 to 1,024 printable characters, in segments none of
    which is empty or ends with a dot (on their way `..` would lead to another container).

    https://learn.microsoft.com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    """
    return (
        0 < len(name) <= 1024  # noqa: PLR2004 (the service's limit)
        and name.isprintable()
        and "\\" not in name
        and all(segment and not segment.endswith(".") for segment in name.split("/"))
    )


class Container:
    """One private container of the storage account; it is created when found missing."""

    def __init__(self, storage: StorageConnection, name: str) -> None:
        self._storage = storage
        self.name = name
        self._client: ContainerClient | None = None

    @property
    def _container(self) -> "ContainerClient":
        if self._client is None:
            self._client = self._storage.blobs.get_container_client(self.name)
        return self._client

    async def write(
        self, name: str, content: bytes, *, content_type: str, new: bool = False
    ) -> None:
        """Writes a blob; with `new` it must not exist (AlreadyExistsError)."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError  # noqa: PLC0415
        from azure.storage.blob import ContentSettings  # noqa: PLC0415

        async with storage_errors(f"writing to container {self.name}"):
            for first_try in (True, False):
                try:
                    await self._container.upload_blob(
                        name,
                        content,
                        overwrite=not new,
                        content_settings=ContentSettings(content_type=content_type),
                        max_concurrency=1,
                    )
                except ResourceExistsError as error:
                    raise AlreadyExistsError(f"Blob {name} exists.") from error
                except ResourceNotFoundError:
                    if not first_try:
                        raise
                    await self._create()
                else:
                    return

    async def _create(self) -> None:
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

        try:
            await self._container.create_container()
        except ResourceExistsError:
            return

    async def read(self, name: str, *, limit: int) -> bytes:
        """A blob of `limit` bytes at most.

        Raises NotFoundError if there is none, ValueError if it is larger.
        """
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"reading from container {self.name}"):
            try:
                stream = await self._container.download_blob(name, max_concurrency=1)
                if stream.size > limit:
                    raise ValueError(f"The blob has {stream.size} bytes; {limit} are allowed.")
                return await stream.readall()
            except ResourceNotFoundError as error:
                raise NotFoundError(
                    f"There is no blob {name} in container {self.name}.",
                    fix="Write the blob before the queue message that names it.",
                ) from error

    async def read_tagged(self, name: str, *, limit: int) -> tuple[bytes, str]:
        """A blob as `read` gives it, and its ETag, for `swap`."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"reading from container {self.name}"):
            try:
                stream = await self._container.download_blob(name, max_concurrency=1)
                if stream.size > limit:
                    raise ValueError(f"The blob has {stream.size} bytes; {limit} are allowed.")
                return await stream.readall(), str(stream.properties.etag)
            except ResourceNotFoundError as error:
                raise NotFoundError(f"There is no blob {name}.") from error

    async def swap(self, name: str, content: bytes, *, content_type: str, etag: str) -> str:
        """Writes a blob that is still as it was read (etag "": that must not exist yet).

        Returns the new ETag. Raises ChangedError where somebody else was faster.
        """
        from azure.core import MatchConditions  # noqa: PLC0415
        from azure.core.exceptions import (  # noqa: PLC0415
            ResourceExistsError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )
        from azure.storage.blob import ContentSettings  # noqa: PLC0415

        match = (
            {"etag": etag, "match_condition": MatchConditions.IfNotModified, "overwrite": True}
            if etag
            else {"overwrite": False}
        )
        async with storage_errors(f"writing to container {self.name}"):
            for first_try in (True, False):
                try:
                    blob = self._container.get_blob_client(name)
                    written = await blob.upload_blob(
                        content,
                        content_settings=ContentSettings(content_type=content_type),
                        max_concurrency=1,
                        **match,
                    )
                except (ResourceExistsError, ResourceModifiedError) as error:
                    raise ChangedError(f"Blob {name} was changed meanwhile.") from error
                except ResourceNotFoundError:
                    if not first_try or etag:
                        raise
                    await self._create()
                else:
                    return str(written["etag"])
        raise AssertionError  # the loop returns or raises

    async def list_names(
        self, prefix: str = "", *, folders: bool = False, limit: int = 5000
    ) -> list[str]:
        """The names that begin with `prefix`, in order, `limit` at most; with `folders` only as
        far as the next slash, each once."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        names: list[str] = []
        async with storage_errors(f"listing container {self.name}"):
            try:
                found = (
                    self._container.walk_blobs(prefix, delimiter="/")
                    if folders
                    else self._container.list_blobs(prefix)
                )
                async for item in found:
                    names.append(item.name.rstrip("/"))
                    if len(names) == limit:
                        break
            except ResourceNotFoundError:
                return []
        return names

    async def delete(self, name: str) -> None:
        """Deletes a blob; one that is gone is no error."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"deleting from container {self.name}"):
            try:
                await self._container.delete_blob(name)
            except ResourceNotFoundError:
                return

    async def names(self, *, before: str, limit: int) -> list[str]:
        """The names that come before `before`, in order, `limit` at most."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        found: list[str] = []
        async with storage_errors(f"listing container {self.name}"):
            try:
                async for name in self._container.list_blob_names(
                    results_per_page=min(limit, 1000)
                ):
                    if name >= before or len(found) == limit:
                        break
                    found.append(name)
            except ResourceNotFoundError:
                return []
        return found

    async def ping(self) -> None:
        """Asks the service whether the container exists: it answers, or an error is raised."""
        async with storage_errors(f"asking for container {self.name}"):
            await self._container.exists()
