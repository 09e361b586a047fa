"""Accounts and tokens: who Mailroom is to Azure, and as whom it sends.

Nothing heavy is imported here: azure-identity, azure-keyvault-secrets, msal and cryptography
together cost a second, and are loaded by the first call that needs them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.accounts.application import ApplicationFlow
from shared.accounts.credential import (
    FederatedProofs,
    ProofSource,
    StoredProofs,
    read_certificate,
    read_client_secret,
)
from shared.accounts.delegated import DelegatedFlow
from shared.accounts.entra import Entra
from shared.accounts.identity import AzureIdentity, azure_credential
from shared.accounts.keyvault import KeyVault
from shared.accounts.tokens import AccessToken, TokenFlow, TokenSource
from shared.settings import Settings

__all__ = ["AccessToken", "Accounts", "TokenSource", "open_accounts"]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The process's identity in Azure, its Key Vault (None if it needs none) and its tokens."""

    credential: AzureIdentity
    vault: KeyVault | None
    tokens: TokenSource

    async def aclose(self) -> None:
        await self.tokens.aclose()
        if self.vault is not None:
            await self.vault.aclose()
        await self.credential.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_accounts(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = _utc_now,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Accounts:
    """The accounts that the settings describe; nothing is opened before its first use.

    clock: gives the time in UTC. pause: waits for some seconds between two tries.
    """
    identity = azure_credential(settings)
    vault = (
        KeyVault(settings.key_vault_url, identity, clock=clock) if settings.key_vault_url else None
    )
    flow = _open_flow(settings, Entra(settings, pause=pause), identity, vault, clock)
    return Accounts(identity, vault, TokenSource(flow, clock=clock))


def _open_flow(
    settings: Settings,
    entra: Entra,
    identity: AzureIdentity,
    vault: KeyVault | None,
    clock: Callable[[], datetime],
) -> TokenFlow:
    proofs: ProofSource
    if settings.credential == "federated":
        proofs = FederatedProofs(identity)
    else:
        assert vault is not None, "load_settings demands MAILROOM_KEY_VAULT_URL"
        name = settings.credential_name
        if settings.credential == "delegated":
            return DelegatedFlow(entra, settings.client_id, vault, name, clock=clock)
        read = read_client_secret if settings.credential == "secret" else read_certificate
        proofs = StoredProofs(vault, name, read)
    return ApplicationFlow(entra, settings.client_id, proofs, clock=clock)
