"""A tenant, a vault and a storage account of the doctor's own, healthy until a test spoils them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, IDENTITY_CLIENT_ID, TENANT_ID
from local.dns import NameServer, sending_domain
from local.entra import Directory, EntraServer
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer
from local.office365 import Mailbox, Office365Server
from local.stack import provision
from shared.doctor.examination import Examination, examine_settings
from shared.settings import load_settings
from tests.accounts.conftest import SECRET_NAME, directory, entra, identity, signing_keys, vault

__all__ = ["directory", "entra", "identity", "signing_keys", "vault"]

SIGNING_KEY = "mailroom-signing-key"
BILLING = "billing@contoso.test"
KEY_VALUE = "0123456789abcdef" * 3


@dataclass
class Scene:
    """What is examined. `ahead`: how far its clock is off. `after`: what mends it again."""

    directory: Directory
    entra: EntraServer
    identity: ManagedIdentityServer
    vault: KeyVaultServer
    azurite: Azurite
    office: Office365Server
    names: NameServer
    secret_id: str
    environment: dict[str, str]
    secrets: tuple[str, ...]
    ahead: timedelta = timedelta(0)
    after: list[Callable[[], object]] = field(default_factory=list)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def examine(self) -> Examination:
        settings = load_settings(self.environment)
        # A loaded machine may need long: what is asked is what is found, not how soon.
        return await examine_settings(settings, self.environment, clock=self.clock, patience=60)


@pytest.fixture(scope="session")
async def account() -> AsyncIterator[Azurite]:
    """A storage account that no other test changes, so that what is missing may be missing."""
    azurite = Azurite()
    await azurite.start()
    yield azurite
    await azurite.stop()


@pytest.fixture
async def scene(
    *,
    directory: Directory,
    entra: EntraServer,
    identity: ManagedIdentityServer,
    vault: KeyVaultServer,
    account: Azurite,
    authority: LocalAuthority,
) -> AsyncIterator[Scene]:
    office = Office365Server(authority, entra.jwks, mailboxes=[Mailbox(BILLING)])
    await office.start()
    names = NameServer(sending_domain("contoso.test"))
    await names.start()
    secret = directory.add_secret(APP_CLIENT_ID)
    vault.store.set(SECRET_NAME, secret.value, expires_on=int(secret.expires_at.timestamp()))
    vault.store.set(SIGNING_KEY, KEY_VALUE)
    await provision(account.connection_string)
    scene = Scene(
        directory, entra, identity, vault, account, office, names,
        secret.key_id,
        environment={
            "MAILROOM_SENDERS": f'["{BILLING}"]',
            "MAILROOM_SMTP_HOST": "localhost",
            "MAILROOM_SMTP_PORT": str(office.smtp_port),
            "MAILROOM_NAME_SERVERS": f'["{names.address}"]',
            "MAILROOM_TENANT_ID": TENANT_ID,
            "MAILROOM_CLIENT_ID": APP_CLIENT_ID,
            "MAILROOM_CREDENTIAL": "secret",
            "MAILROOM_CREDENTIAL_NAME": SECRET_NAME,
            "MAILROOM_KEY_VAULT_URL": vault.url,
            "MAILROOM_AUTHORITY": entra.url,
            "MAILROOM_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
            "AzureWebJobsStorage": account.connection_string,
            **identity.environment(),
            **authority.environment(),
        },
        secrets=(
            secret.value, KEY_VALUE, identity.environment()["IDENTITY_HEADER"],
            account.connection_string.partition("AccountKey=")[2].partition(";")[0],
        ),
    )  # fmt: skip
    yield scene
    for mend in scene.after:
        result = mend()
        if hasattr(result, "__await__"):
            await result
    await names.stop()
    await office.stop()
