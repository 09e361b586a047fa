"""Tokens in a signed-in user's name: MSAL's token cache, kept in a Key Vault secret.

The secret's value is MSAL's unified cache in JSON, of which accounts, refresh tokens and
application metadata are kept. Access tokens are left out: they would soon be stale, and a
Key Vault secret holds 25 kB.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.accounts.aadsts import SIGN_IN_AGAIN
from shared.accounts.entra import Entra, Grant, read_grant
from shared.accounts.flights import Backoff
from shared.accounts.keyvault import KeyVault, Secret
from shared.errors import ConflictError, CredentialError

logger = logging.getLogger(__name__)

SUBMISSION_SCOPE = "https://outlook.office.com/SMTP.Send"
CONTENT_TYPE = "application/vnd.mailroom.token-cache+json"

# A refresh token lives for 90 days (learn.microsoft.com/entra/identity-platform/refresh-tokens).
SIGN_IN_LIFE = timedelta(days=90)

_APP_ONLY_SCOPE = "https://outlook.office365.com/.default"
_KEPT = ("Account", "AppMetadata", "RefreshToken")
_REFRESH_TOKENS = "RefreshToken"
_LOGIN = "Run `make login` and sign in as the mailbox's user."

type CacheState = dict[str, dict[str, Any]]


def delegated_scope(scope: str) -> str:
    """The delegated counterpart of the submission server's app-only scope; others stay."""
    return SUBMISSION_SCOPE if scope == _APP_ONLY_SCOPE else scope


def read_state(text: str) -> CacheState:
    """What is kept of MSAL's cache. Raises CredentialError if it is none."""
    try:
        state = json.loads(text) if text.strip() else {}
        return {kind: dict(state.get(kind) or {}) for kind in _KEPT}
    except (ValueError, AttributeError, TypeError):
        pass
    raise CredentialError(
        "The Key Vault secret that MAILROOM_CREDENTIAL_NAME names holds no token cache.",
        fix="Name another secret, or overwrite it: `python -m shared.accounts.login --replace`.",
        code="not_a_token_cache",
    )


def write_state(state: CacheState) -> str:
    return json.dumps(state, separators=(",", ":"), sort_keys=True)


def merge_states(base: CacheState, ours: CacheState, theirs: CacheState) -> CacheState:
    """What both writers made of `base`. Where both changed one entry, theirs stays."""
    merged: CacheState = {}
    for kind in _KEPT:
        entries = dict(theirs.get(kind, {}))
        before = base.get(kind, {})
        for key, entry in ours.get(kind, {}).items():
            if entry != before.get(key) and entries.get(key) == before.get(key):
                entries[key] = entry
        merged[kind] = entries
    return merged


@dataclass(slots=True)
class _Refusal:
    """The version of the cache that Entra has refused for one mailbox, and for how long."""

    backoff: Backoff
    version: str | None = None

    def stands(self, version: str, now: datetime) -> CredentialError | None:
        return self.backoff.refusal(now) if version == self.version else None


@dataclass(frozen=True, slots=True)
class _Cache:
    """The token cache as last seen in Key Vault, and as it is now."""

    secret: Secret
    stored: CacheState = field(repr=False)
    state: CacheState = field(repr=False)

    @property
    def is_saved(self) -> bool:
        return self.state == self.stored


class DelegatedFlow:
    """Tokens by refresh token (RFC 6749 section 6). Each rotated one is written back.

    Other instances and `make login` may write the same secret: the newest version is taken up,
    and a refused refresh token is looked for there before the user is asked to sign in again.
    """

    def __init__(
        self,
        entra: Entra,
        client_id: str,
        vault: KeyVault,
        secret_name: str,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._entra = entra
        self._client_id = client_id
        self._vault = vault
        self._secret_name = secret_name
        self._clock = clock
        self._cache: _Cache | None = None
        self._chance = chance
        self._refusals: dict[str, _Refusal] = {}
        self._turn = asyncio.Lock()

    def owner(self, mailbox: str) -> str:
        return mailbox.lower()

    def guards(self, error: CredentialError) -> bool:
        return error.code in SIGN_IN_AGAIN or error.code == "not_signed_in"

    async def fetch(self, scope: str, mailbox: str) -> Grant:
        # One at a time: two redemptions of one refresh token would each rotate it.
        async with self._turn:
            cache = await self._load()
            owner = self.owner(mailbox)
            if owner not in self._refusals:
                self._refusals[owner] = _Refusal(Backoff(30.0, 600.0, self._chance))
            refusal = self._refusals[owner].stands(cache.secret.version, self._clock())
            if refusal is None:
                outcome = await self._redeem(cache, scope, mailbox)
                if isinstance(outcome, Grant):
                    return outcome
                refusal = outcome
            newer = await self._vault.refresh(self._secret_name, cache.secret)
            if newer.version == cache.secret.version:
                raise refusal
            self._cache = _take_up(newer)
            outcome = await self._redeem(self._cache, scope, mailbox)
            if isinstance(outcome, Grant):
                return outcome
            raise outcome

    async def _load(self) -> _Cache:
        try:
            secret = await self._vault.secret(self._secret_name)
        except CredentialError as error:
            if error.code != "secret_not_found":
                raise
            failure = CredentialError(
                f"Nobody has signed in yet: there is no Key Vault secret {self._secret_name}.",
                fix=_LOGIN,
                code="not_signed_in",
            )
        else:
            cache = self._cache
            if cache is None:
                cache = _take_up(secret)
            elif cache.secret.version != secret.version:
                theirs = read_state(secret.value)
                cache = _Cache(secret, theirs, merge_states(cache.stored, cache.state, theirs))
            self._cache = cache
            return cache
        raise failure

    async def _redeem(self, cache: _Cache, scope: str, mailbox: str) -> Grant | CredentialError:
        """The grant, or the error if a newer version of the cache may be its cure."""
        after: CacheState = {}

        def converse(keywords: Mapping[str, Any]) -> Mapping[str, Any] | None:
            from msal import (  # noqa: PLC0415 - 250 ms at import
                PublicClientApplication,
                SerializableTokenCache,
            )

            tokens = SerializableTokenCache()
            tokens.deserialize(write_state(cache.state))
            application = PublicClientApplication(self._client_id, token_cache=tokens, **keywords)
            account = _choose(application.get_accounts(), mailbox)
            answer: Mapping[str, Any] | None = application.acquire_token_silent_with_error(
                [delegated_scope(scope)], account, force_refresh=True
            )
            after.update(read_state(tokens.serialize()))
            if answer is None:
                raise _not_signed_in(mailbox)
            return answer

        refusal = self._refusals[self.owner(mailbox)]
        try:
            grant = read_grant(await self._entra.ask(converse))
        except CredentialError as error:
            if not self.guards(error):
                raise
            refusal.version = cache.secret.version
            refusal.backoff.fail(self._clock(), error)
            return error
        refusal.backoff.clear()
        await self._keep(_Cache(cache.secret, cache.stored, after))
        return grant

    async def _keep(self, cache: _Cache) -> None:
        """Writes a changed cache back. Where that fails it is used from memory, and tried again."""
        self._cache = cache
        if cache.is_saved:
            return
        try:
            try:
                self._cache = await self._store(cache)
            except ConflictError:
                newest = await self._vault.secret(self._secret_name)
                theirs = read_state(newest.value)
                merged = merge_states(cache.stored, cache.state, theirs)
                self._cache = _Cache(newest, theirs, merged)
                if not self._cache.is_saved:
                    self._cache = await self._store(self._cache)
        except (CredentialError, ConflictError) as error:
            logger.warning(
                "The rotated refresh token could not be written to Key Vault; it is used from "
                "memory and written with the next one. %s",
                error,
                extra={"secret_name": self._secret_name, "code": getattr(error, "code", "")},
            )

    async def _store(self, cache: _Cache) -> _Cache:
        secret = await self._vault.write(
            self._secret_name,
            write_state(cache.state),
            content_type=CONTENT_TYPE,
            replaces=cache.secret.version,
            expires_on=self._clock() + SIGN_IN_LIFE,
        )
        return _Cache(secret, cache.state, cache.state)


def _take_up(secret: Secret) -> _Cache:
    state = read_state(secret.value)
    return _Cache(secret, state, state)


def _choose(accounts: list[dict[str, Any]], mailbox: str) -> dict[str, Any]:
    """The account of the mailbox; or the only one, who may be a delegate of it."""
    for account in accounts:
        if str(account.get("username", "")).lower() == mailbox.lower():
            return account
    if len(accounts) == 1:
        return accounts[0]
    raise _not_signed_in(mailbox)


def _not_signed_in(mailbox: str) -> CredentialError:
    who = f"the mailbox {mailbox}" if mailbox else "Mailroom"
    return CredentialError(f"Nobody is signed in for {who}.", fix=_LOGIN, code="not_signed_in")
