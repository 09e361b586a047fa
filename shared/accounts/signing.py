"""What Mailroom signs or seals, so that it knows its own again: ids in mail, tokens in links.

The keys are the enabled versions of one Key Vault secret: all of them verify, the newest signs. A
new version is rotation; disabling an old one ends what it signed.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.accounts.flights import Backoff
from shared.accounts.keyvault import KeyVault, Secret
from shared.accounts.sealing import seal, unseal
from shared.errors import CredentialError, CredentialUnavailableError

if TYPE_CHECKING:
    from itsdangerous import Signer

logger = logging.getLogger(__name__)

# Purposes: a signature for one is none for another.
MESSAGE_ID = "mailroom.message-id"
UNSUBSCRIBE = "mailroom.unsubscribe"

SHORTEST_KEY = 32  # characters

_MAX_AGE = timedelta(hours=1)
_RELOOK = timedelta(minutes=1)  # how often unknown signatures make the keys be read again
_PATIENCE = 3.0  # seconds that a mail waits for its first key
_MAX_SIGNED = 400  # characters
_MAX_SEALED = 1000  # octets
# The vault answers, but there is no key: nothing has been signed.
_NO_KEY = frozenset({"secret_not_found", "secret_disabled", "no_signing_key"})


class Signing:
    """Signs and verifies short texts. Without a vault nothing is signed, and nothing verifies."""

    def __init__(
        self,
        vault: KeyVault | None,
        name: str,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._vault = vault
        self._name = name
        self._clock = clock
        self._keys: tuple[str, ...] = ()
        self._read_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._backoff = Backoff(5.0, 300.0, chance)

    async def sign(self, purpose: str, text: str) -> str | None:
        """`text.signature`, URL-safe if the text is; None where no key can be had.

        Mail is never held up for a key: what is not signed is only trusted less.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                keys = await self._current()
        except (CredentialError, TimeoutError):
            return None
        return _signer(keys, purpose).sign(text).decode() if keys else None

    async def verify(self, purpose: str, signed: str) -> str | None:
        """The text that was signed for this purpose; None if that is no signature of ours.

        Raises CredentialUnavailableError where the keys cannot be read now.
        """
        if len(signed) > _MAX_SIGNED or "." not in signed:
            return None
        return await self._read_back(lambda keys: _verified(keys, purpose, signed))

    async def seal(self, purpose: str, content: bytes) -> bytes | None:
        """The content, encrypted and authenticated; None where no key can be had. The same content
        has the same seal as long as the newest key stays."""
        try:
            async with asyncio.timeout(_PATIENCE):
                keys = await self._current()
        except (CredentialError, TimeoutError):
            return None
        return seal(keys, purpose, content) if keys else None

    async def unseal(self, purpose: str, sealed: bytes) -> bytes | None:
        """What was sealed for this purpose; None if that is no seal of ours.

        Raises CredentialUnavailableError where the keys cannot be read now.
        """
        if len(sealed) > _MAX_SEALED:
            return None
        return await self._read_back(lambda keys: unseal(keys, purpose, sealed))

    async def _read_back[T](self, read: Callable[[tuple[str, ...]], T | None]) -> T | None:
        """What `read` makes of the keys, with those read anew if it knows none of them."""
        if self._vault is None:
            return None
        try:
            found = read(await self._current())
            if found is None and self._may_look():
                await self._read()
                found = read(self._keys)
        except CredentialError as error:
            if error.code in _NO_KEY:
                return None
            if self._keys:  # the last good ones have been tried
                return read(self._keys)
            raise CredentialUnavailableError(error.detail, fix=error.fix, code=error.code) from None
        return found

    async def _current(self) -> tuple[str, ...]:
        """The keys, oldest first; the last good ones while Key Vault is away."""
        if self._vault is None:
            return ()
        now = self._clock()
        if self._read_at is not None and now - self._read_at < _MAX_AGE:
            return self._keys
        refusal = self._backoff.refusal(now)
        if refusal is None:
            try:
                await self._read()
            except CredentialError as error:
                refusal = error
        if refusal is not None and not self._keys:
            raise refusal
        return self._keys

    def _may_look(self) -> bool:
        """Whether an unknown signature may be of a key that is newer than those in memory."""
        now = self._clock()
        looked = self._looked_at
        return (looked is None or now - looked >= _RELOOK) and self._backoff.refusal(now) is None

    async def _read(self) -> None:
        assert self._vault is not None
        try:
            keys = _usable(self._name, await self._vault.versions(self._name))
        except CredentialError as error:
            if error.code in _NO_KEY:  # taken away on purpose
                self._keys = ()
            self._backoff.fail(self._clock(), error)
            logger.warning(
                "The signing keys cannot be read; %s. %s",
                "the last good ones are used on" if self._keys else "nothing is signed",
                error,
                extra={"secret_name": self._name, "code": error.code},
            )
            raise
        self._backoff.clear()
        self._keys = keys
        self._read_at = self._looked_at = self._clock()


def _usable(name: str, versions: Sequence[Secret]) -> tuple[str, ...]:
    keys = tuple(version.value for version in versions if len(version.value) >= SHORTEST_KEY)
    if not keys:
        raise CredentialError(
            f"The Key Vault secret {name} has no enabled version of {SHORTEST_KEY} characters or "
            "more.",
            fix="Store a long random value as a new version of it.",
            code="no_signing_key",
        )
    return keys


def _signer(keys: tuple[str, ...], purpose: str) -> "Signer":
    from itsdangerous import Signer  # noqa: PLC0415 (not needed at the app's start)

    return Signer(list(keys), salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256)


def _verified(keys: tuple[str, ...], purpose: str, signed: str) -> str | None:
    from itsdangerous import BadSignature  # noqa: PLC0415

    if not keys or not signed.isascii():
        return None
    try:
        return _signer(keys, purpose).unsign(signed).decode()
    except BadSignature:
        return None
