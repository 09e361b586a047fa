"""Where an address's row stands: under a salted hash of the address, never the address itself.

So a row can lose its address, when somebody wants to be forgotten, and still be found by one point
read when a message is to be sent there. The salt is random, made by the first process that asks,
and stands in the table itself: a copy of the table is whole, and a table of guessed addresses'
hashes is of no use against another one.
"""

import asyncio
import hashlib
import hmac
import secrets
from contextlib import suppress

from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.tables import Row, Table, Write

_PARTITION = _KEY = "salt"  # behind all partitions of addresses
_LENGTH = 32  # octets


class AddressKeys:
    """Partition and key of each address's row."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._salt = b""
        self._lock = asyncio.Lock()

    async def place(self, address: str) -> tuple[str, str]:
        """Partition and key for a normalised address; the process's first call reads the salt.

        HMAC-SHA-256 (RFC 2104). Raises StorageUnavailableError.
        """
        if not self._salt:
            async with self._lock:
                self._salt = self._salt or await self._read() or await self._make()
        digest = hmac.digest(self._salt, address.encode(), hashlib.sha256).hex()
        return digest[:2], digest

    async def _read(self) -> bytes:
        row = await self._table.read(_PARTITION, _KEY)
        return bytes.fromhex(row.values["salt"]) if row else b""

    async def _make(self) -> bytes:
        salt = secrets.token_bytes(_LENGTH)
        with suppress(AlreadyExistsError):  # another process has made it just now
            await self._table.write(Write("insert", Row(_PARTITION, _KEY, {"salt": salt.hex()})))
            return salt
        stored = await self._read()
        if not stored:
            raise ChangedError("The salt of the suppressions was deleted just now.")
        return stored
