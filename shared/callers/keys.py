"""The keys that a tenant signs its tokens with, from Entra ID's OpenID configuration."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.errors import CallerKeysUnavailableError

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

logger = logging.getLogger(__name__)

_FRESH = 24 * 3600.0  # seconds; learn.microsoft.com/entra/identity-platform/signing-key-rollover
_UNKNOWN_AGAIN = 60.0  # an unknown key makes Entra be asked once in so many seconds at most
_FAILED_AGAIN = 10.0
_PATIENCE = 5.0
_SIZE_LIMIT = 256 * 1024
_MOST_KEYS = 100
_KEY_BITS = range(2048, 8193)
_OK = 200


class TenantKeys:
    """One tenant's public keys by id. The last good ones stay while Entra ID is away.

    `now` is a clock of seconds that never goes back.
    """

    def __init__(
        self, authority: str, tenant_id: str, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._configuration = f"{authority}/{tenant_id}/v2.0/.well-known/openid-configuration"
        self._now = now
        self._keys: dict[str, RSAPublicKey] = {}
        self._stale_at = 0.0
        self._next_at = float("-inf")
        self._failed = False
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> "RSAPublicKey | None":
        """The key; None if the tenant has none of this id.

        Raises CallerKeysUnavailableError where Entra ID cannot be asked about it.
        """
        if not self._suffices(key_id):
            async with self._lock:
                if not self._suffices(key_id) and self._now() >= self._next_at:
                    await self._refresh()
        key = self._keys.get(key_id)
        if key is None and self._failed:
            raise CallerKeysUnavailableError(
                "The keys of Entra ID, by which tokens are checked, cannot be had.",
                fix="Repeat the request later. If it lasts, see the function app's log, and check "
                "MAILROOM_AUTHORITY and that the app reaches it.",
            )
        return key

    def _suffices(self, key_id: str) -> bool:
        return key_id in self._keys and self._now() < self._stale_at

    async def _refresh(self) -> None:
        from aiohttp import ClientError, ClientSession, ClientTimeout  # noqa: PLC0415 - 320 ms

        try:
            async with ClientSession(timeout=ClientTimeout(total=_PATIENCE)) as session:
                address = (await _fetch(session, self._configuration)).get("jwks_uri")
                if not (isinstance(address, str) and address.startswith("https://")):
                    raise ValueError("no jwks_uri")  # noqa: TRY301
                keys = _read_keys(await _fetch(session, address))
        except (ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            self._failed = True
            self._next_at = self._now() + _FAILED_AGAIN
            logger.warning(
                "Entra ID's signing keys cannot be fetched (%s); %d older ones are kept",
                type(error).__name__,
                len(self._keys),
            )
            return
        self._keys, self._failed = keys, False
        self._stale_at = self._now() + _FRESH
        self._next_at = self._now() + _UNKNOWN_AGAIN


async def _fetch(session: "ClientSession", url: str) -> dict[str, Any]:
    """A JSON object; raises ValueError for anything else."""
    content = bytearray()
    async with session.get(url, allow_redirects=False) as response:
        if response.status != _OK:
            raise ValueError(f"status {response.status}")
        async for chunk in response.content.iter_chunked(64 * 1024):
            content += chunk
            if len(content) > _SIZE_LIMIT:
                raise ValueError("too large")
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004
    return value


def _read_keys(document: dict[str, Any]) -> "dict[str, RSAPublicKey]":
    """The RSA keys for signatures of a JWKS (RFC 7517); raises ValueError if there is none."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from jwt import InvalidKeyError  # noqa: PLC0415
    from jwt.algorithms import RSAAlgorithm  # noqa: PLC0415

    entries = document.get("keys")
    found: dict[str, RSAPublicKey] = {}
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else ():
        usable = (
            isinstance(entry, dict)
            and entry.get("kty") == "RSA"
            and entry.get("use", "sig") == "sig"
            and isinstance(entry.get("kid"), str)
        )
        if not usable:
            continue
        try:
            key = RSAAlgorithm.from_jwk({name: entry.get(name) for name in ("kty", "n", "e")})
        except (InvalidKeyError, ValueError, TypeError, AttributeError):
            continue
        if isinstance(key, RSAPublicKey) and key.key_size in _KEY_BITS:
            found[entry["kid"]] = key
    if not found:
        raise ValueError("no usable key")
    return found
