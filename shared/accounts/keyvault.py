"""Secrets from Key Vault, kept in memory and used on while Key Vault is away."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from shared.accounts.flights import Backoff, Flights
from shared.accounts.vault_refusals import read_vault_refusal, vault_away
from shared.errors import ConflictError, CredentialError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

logger = logging.getLogger(__name__)

# Key Vault takes 25 kB (learn.microsoft.com/azure/key-vault/secrets/about-secrets).
LONGEST_VALUE = 25_000

_BOUNDS: dict[str, Any] = {
    "retry_total": 2,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 2,
    "connection_timeout": 3,
    "read_timeout": 4,
}
PATIENCE = 9.0  # seconds for one request with all its retries
_MAX_AGE = timedelta(hours=1)
_LEAD = timedelta(minutes=10)  # how long before its end a secret is read again…
_RELOOK = timedelta(minutes=1)  # …and how often, where it still has no successor
_ASKED_AGAIN = timedelta(seconds=2)
_WARN_BEFORE = timedelta(days=30)
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Taken away on purpose: the value in memory is not used on.
_GONE = frozenset({"secret_not_found", "secret_disabled"})


@dataclass(frozen=True, slots=True)
class Secret:
    """One version of a secret. `expires_on` is UTC, None where the operator set none."""

    name: str
    version: str
    value: str = field(repr=False)
    content_type: str = ""
    expires_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecretState:
    """What may be known of a version without its value. Times are UTC, None where none is set."""

    version: str
    enabled: bool
    not_before: datetime | None
    expires_on: datetime | None


@dataclass(slots=True)
class _Shelf:
    """What is known of one secret."""

    backoff: Backoff
    secret: Secret | None = None
    read_at: datetime | None = None
    refreshed_at: datetime | None = None


class KeyVault:
    """One Key Vault. Parallel callers share one request, which ends within `patience` seconds.

    `credential` stays its maker's to close. `clock` gives the time in UTC.
    """

    def __init__(
        self,
        url: str,
        credential: "AsyncTokenCredential",
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        patience: float = PATIENCE,
    ) -> None:
        self._url = url
        self._credential = credential
        self._clock = clock
        self._chance = chance
        self._patience = patience
        self._client: Any = None
        self._flights = Flights()
        self._shelves: dict[str, _Shelf] = {}

    async def secret(self, name: str) -> Secret:
        """The secret, from memory while it is young and not about to expire.

        The last good value is given while Key Vault is away or refuses.
        Raises CredentialError where there is none, or where the secret was deleted or disabled.
        """
        shelf = self._shelf(name)
        now = self._clock()
        if shelf.secret is not None and (
            not _is_due(shelf, now) or shelf.backoff.refusal(now) is not None
        ):
            return shelf.secret
        return await self._read_or_keep(shelf, name)

    async def refresh(self, name: str, than: Secret) -> Secret:
        """The newest version, read now unless one newer than `than` is in memory already.

        Asked again within seconds it answers from memory. Fails as `secret` does.
        """
        shelf = self._shelf(name)
        now = self._clock()
        if shelf.secret is not None:
            if shelf.secret.version != than.version:
                return shelf.secret
            if shelf.refreshed_at is not None and now - shelf.refreshed_at < _ASKED_AGAIN:
                return shelf.secret
        secret = await self._read_or_keep(shelf, name)
        shelf.refreshed_at = now
        return secret

    async def write(
        self,
        name: str,
        value: str,
        *,
        content_type: str,
        replaces: str | None = None,
        expires_on: datetime | None = None,
    ) -> Secret:
        """Stores a new version of the secret and returns it.

        replaces: the version that is expected to be the newest, "" for none yet; None stores
        whatever is there. Key Vault has no conditional write: the check narrows the gap in which
        two writers can meet, no more.

        Raises ConflictError if another version is there, CredentialError if it cannot be stored.
        """
        if len(value.encode()) > LONGEST_VALUE:
            raise CredentialError(
                f"The value for the Key Vault secret {name} is longer than {LONGEST_VALUE} bytes.",
                fix="Start anew with those needed: `python -m shared.accounts.login --replace`.",
                code="secret_too_long",
            )
        if replaces is not None and await self._newest_version(name) != replaces:
            raise ConflictError(f"The Key Vault secret {name} has been changed by another writer.")
        stored = await self._call(
            name,
            partial(
                self._open().set_secret,
                name,
                value,
                content_type=content_type,
                expires_on=expires_on,
            ),
            role="Key Vault Secrets Officer",
        )
        secret = _as_secret(name, stored)
        shelf = self._shelf(name)
        shelf.secret, shelf.read_at = secret, self._clock()
        return secret

    async def versions(self, name: str, *, most: int = 10) -> list[Secret]:
        """The enabled versions of a secret, oldest first, the newest `most` of them; read now.

        Parallel callers share one reading. Raises CredentialError.
        """
        return await self._flights.join(("versions", name), partial(self._versions, name, most))

    async def _versions(self, name: str, most: int) -> list[Secret]:
        async def read() -> list[Secret]:
            client = self._open()
            found = [v async for v in client.list_properties_of_secret_versions(name) if v.enabled]
            found.sort(key=lambda version: (version.created_on, version.version))
            return [
                _as_secret(name, await client.get_secret(name, version.version))
                for version in found[-most:]
            ]

        return cast("list[Secret]", await self._call(name, read, role="Key Vault Secrets User"))

    async def newest(self, name: str) -> SecretState | None:
        """The state of the newest version, disabled ones included; None if there is no version.

        Its value is not read. Raises CredentialError.
        """

        async def read() -> list[Any]:
            listed = self._open().list_properties_of_secret_versions(name)
            return sorted([v async for v in listed], key=lambda v: (v.created_on, v.version))

        found = await self._call(name, read, role="Key Vault Secrets User")
        if not found:
            return None
        last = found[-1]
        return SecretState(last.version, bool(last.enabled), last.not_before, last.expires_on)

    async def aclose(self) -> None:
        await self._flights.aclose()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _shelf(self, name: str) -> _Shelf:
        if name not in self._shelves:
            self._shelves[name] = _Shelf(Backoff(5.0, 60.0, self._chance))
        return self._shelves[name]

    def _open(self) -> Any:
        if self._client is None:
            # 170 ms at import, and not needed at all with a federated credential.
            from azure.keyvault.secrets.aio import SecretClient  # noqa: PLC0415

            self._client = SecretClient(
                self._url,
                self._credential,
                # Real vaults must name a resource of their own domain, or the token could be
                # lured elsewhere; a vault on this machine cannot.
                verify_challenge_resource=urlsplit(self._url).hostname not in _LOCAL_HOSTS,
                **_BOUNDS,
            )
        return self._client

    async def _read_or_keep(self, shelf: _Shelf, name: str) -> Secret:
        try:
            return await self._flights.join(name, partial(self._read, shelf, name))
        except CredentialError:
            if shelf.secret is None:
                raise
            return shelf.secret

    async def _read(self, shelf: _Shelf, name: str) -> Secret:
        try:
            fetched = await self._call(
                name, partial(self._open().get_secret, name), role="Key Vault Secrets User"
            )
        except CredentialError as error:
            if error.code in _GONE:
                shelf.secret = None
            pause = shelf.backoff.fail(self._clock(), error)
            if shelf.secret is not None:
                logger.warning(
                    "Key Vault gives no answer; the last good value of the secret is used on. %s",
                    error,
                    extra={"secret_name": name, "code": error.code, "retry_in": round(pause, 1)},
                )
            raise
        secret = _as_secret(name, fetched)
        known = shelf.secret
        shelf.secret, shelf.read_at = secret, self._clock()
        shelf.backoff.clear()
        if known is None or known.version != secret.version:
            self._report(secret)
        return secret

    def _report(self, secret: Secret) -> None:
        extra = {"secret_name": secret.name, "secret_version": secret.version}
        logger.info("Read the Key Vault secret %s.", secret.name, extra=extra)
        if secret.expires_on is not None and secret.expires_on - self._clock() < _WARN_BEFORE:
            logger.warning(
                "The Key Vault secret %s expires on %s: store its successor as a new version.",
                secret.name,
                f"{secret.expires_on:%Y-%m-%d}",
                extra=extra,
            )

    async def _newest_version(self, name: str) -> str:
        try:
            fetched = await self._call(
                name, partial(self._open().get_secret, name), role="Key Vault Secrets User"
            )
        except CredentialError as error:
            if error.code == "secret_not_found":
                return ""
            raise
        secret = _as_secret(name, fetched)
        shelf = self._shelf(name)
        shelf.secret, shelf.read_at = secret, self._clock()
        return secret.version

    async def _call(self, name: str, request: Callable[[], Any], *, role: str) -> Any:
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415

        try:
            async with asyncio.timeout(self._patience):
                return await request()
        except TimeoutError:
            failure: CredentialError = vault_away(
                self._url, f"no answer within {self._patience:.0f} seconds"
            )
        except HttpResponseError as error:
            failure = read_vault_refusal(error, url=self._url, name=name, role=role)
        except AzureError as error:
            failure = vault_away(self._url, type(error).__name__)
        except ValueError:
            failure = CredentialError(
                f"{self._url} does not answer as a Key Vault does.",
                fix="Set MAILROOM_KEY_VAULT_URL to the vault's URI, such as "
                "https://contoso-mail.vault.azure.net.",
                code="key_vault_unknown",
            )
        # Raised here, so that the SDK's error with its request is no part of ours.
        raise failure


def _is_due(shelf: _Shelf, now: datetime) -> bool:
    if shelf.read_at is None or shelf.secret is None:
        return True
    age = now - shelf.read_at
    expires_on = shelf.secret.expires_on
    if expires_on is not None and expires_on - now <= _LEAD:
        return age >= _RELOOK
    return age >= _MAX_AGE


def _as_secret(name: str, fetched: Any) -> Secret:
    properties = fetched.properties
    return Secret(
        name=name,
        version=properties.version or "",
        value=fetched.value or "",
        content_type=properties.content_type or "",
        expires_on=properties.expires_on,
    )
