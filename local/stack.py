"""The whole of it on one machine: storage, Entra ID, identity, Key Vault, Office 365, the app.

The servers run in this process; Azurite and the Functions host are processes of their own, so that
the host can be reloaded, and killed, by itself.
"""

import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from local.azurite import Azurite
from local.certificates import LocalAuthority
from local.contoso import (
    APP_CLIENT_ID,
    IDENTITY,
    IDENTITY_CLIENT_ID,
    IDENTITY_PRINCIPAL_ID,
    MAILBOXES,
    TENANT_ID,
    contoso,
)
from local.dns import NameServer, sending_domain
from local.entra import EntraServer, SigningKeys
from local.functions.process import FunctionsHost
from local.graph import GraphServer
from local.identity import ManagedIdentityServer
from local.keyvault import KeyVaultServer, VaultRole
from local.mailboxes import TenantMailboxes
from local.office365 import Limits, Mailbox, Office365Server, Returns
from local.office365.arrivals import ARRIVAL_MAILBOXES
from local.web import Clock, utc_now
from shared.storage.names import CONTAINERS, QUEUES, TABLES

ROOT = Path(__file__).resolve().parents[1]
CREDENTIAL_NAME = "mailroom-credential"
SIGNING_KEY_NAME = "mailroom-signing-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What may differ from one stack to the next; port 0 is a free one.

    folder: where storage and certificates are kept; None: a temporary one. settings: app settings
    that win over the stack's own. watch: reload the app when its code changes. host_arguments:
    further command-line options of the Functions host. identity_storage: the app and its host reach
    storage as in Azure, over TLS by the managed identity, and no setting holds a key.
    """

    folder: Path | None = None
    port: int = 0
    inbox_port: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    keep: Literal["messages", "ids"] = "messages"
    rtt: float = 0.0
    watch: bool = False
    count_storage: bool = False
    log: Path | None = None
    host_arguments: tuple[str, ...] = ()
    identity_storage: bool = False


class LocalStack:
    """Started and stopped as one. Its parts can be reached for faults and for what they saw."""

    def __init__(self, options: StackOptions | None = None) -> None:
        self.options = options or StackOptions()
        self._closing = AsyncExitStack()
        self.folder = Path()
        self.settings: dict[str, str] = {}
        self.authority: LocalAuthority
        self.azurite: Azurite
        self.entra: EntraServer
        self.identity: ManagedIdentityServer
        self.vault: KeyVaultServer
        self.office365: Office365Server
        self.mailboxes: TenantMailboxes
        self.graph: GraphServer
        self.names: NameServer
        self.host: FunctionsHost

    @property
    def url(self) -> str:
        """The API's address."""
        return f"{self.host.url}/api"

    @property
    def log_path(self) -> Path:
        """Where the app logs."""
        return self.options.log or self.folder / "functions.log"

    @property
    def storage_options(self) -> dict[str, Any]:
        """What clients of the storage account in this process need besides the connection string:
        they do not trust the stack's authority by themselves."""
        trusted = str(self.authority.bundle_path)
        return {"connection_verify": trusted} if self.options.identity_storage else {}

    @property
    def headers(self) -> dict[str, str]:
        """What a caller with the function key sends."""
        return {"x-functions-key": self.host.function_key}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts the parts in the order in which they need each other; on a failure, none stay."""
        try:
            await self.start_services()
            await self.start_host()
        except BaseException:
            await self.stop()
            raise

    async def start_services(self) -> None:
        """Everything but the app."""
        options = self.options
        if options.folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="mailroom-", ignore_cleanup_errors=True)
            self._closing.callback(temporary.cleanup)
            self.folder = Path(temporary.name)
        else:
            self.folder = options.folder
            self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = LocalAuthority(self.folder / "authority")
        self.azurite = Azurite(
            self.folder / "azurite" if options.folder else None,
            oauth=self.authority if options.identity_storage else None,
            count=options.count_storage,
        )
        await self.azurite.start()
        self._closing.push_async_callback(self.azurite.stop)
        await provision(self.azurite.connection_string, **self.storage_options)
        await self._start_tenant()

    async def _start_tenant(self) -> None:
        directory = contoso()
        secret = directory.add_secret(APP_CLIENT_ID)
        self.entra = EntraServer(self.authority, directory, keys=SigningKeys(self.folder / "entra"))
        await self.entra.start()
        self._closing.push_async_callback(self.entra.stop)
        self.identity = ManagedIdentityServer(
            self.entra.tokens, directory, user_assigned=[IDENTITY]
        )
        await self.identity.start()
        self._closing.push_async_callback(self.identity.stop)
        self.vault = KeyVaultServer(
            self.authority, self.entra, {IDENTITY_PRINCIPAL_ID: VaultRole.OFFICER}
        )
        self.vault.store.set(
            CREDENTIAL_NAME, secret.value, expires_on=int(secret.expires_at.timestamp())
        )
        self.vault.store.set(SIGNING_KEY_NAME, secrets.token_urlsafe(48))
        await self.vault.start()
        self._closing.push_async_callback(self.vault.stop)
        await self._start_names()
        await self._start_office365([Mailbox(address) for address in MAILBOXES])

    async def _start_names(self) -> None:
        self.names = NameServer(sending_domain(MAILBOXES[0].partition("@")[2]))
        await self.names.start()
        self._closing.push_async_callback(self.names.stop)

    async def _start_office365(
        self, mailboxes: Sequence[Mailbox], *, limits: Limits | None = None, clock: Clock = utc_now
    ) -> None:
        """The submission service, what it returns to the mailboxes, and Graph to read them."""
        addresses = [mailbox.address for mailbox in mailboxes]
        # Those of the other provider are read by the same Graph, to have one less.
        addresses += ARRIVAL_MAILBOXES
        self.mailboxes = TenantMailboxes(addresses, clock=clock)
        self.office365 = Office365Server(
            self.authority,
            self.entra.jwks,
            mailboxes=mailboxes,
            limits=limits or self.options.limits,
            inbox_port=self.options.inbox_port,
            keep=self.options.keep,
            rtt=self.options.rtt,
            returns=Returns(self.mailboxes, clock=clock),
            clock=clock,
        )
        await self.office365.start()
        self._closing.push_async_callback(self.office365.stop)
        self.graph = GraphServer(
            self.authority, self.entra.jwks, self.mailboxes, tenant_id=TENANT_ID, clock=clock
        )
        for address in addresses:  # as RBAC for applications has it, with the least that is needed
            self.graph.access.assign(address, APP_CLIENT_ID, "Mail.Read")
        await self.graph.start()
        self._closing.push_async_callback(self.graph.stop)

    async def start_host(self) -> None:
        """The Functions host with the app, its settings pointing to the services."""
        self.settings = self.app_settings()
        self.host = FunctionsHost(
            ROOT,
            settings=self.settings,
            keys=self.folder / "functions-keys.json",
            port=self.options.port,
            watch=self.options.watch,
            log=self.log_path,
            arguments=self.options.host_arguments,
        )
        # Before the start: cancelled while it waits for the app, it leaves a process behind.
        self._closing.push_async_callback(self.host.stop)
        await self.host.start()

    def app_settings(self) -> dict[str, str]:
        """The app's settings: in Azure only the addresses would differ."""
        return {
            "MAILROOM_SENDERS": json.dumps(list(MAILBOXES)),
            "MAILROOM_TENANT_ID": TENANT_ID,
            "MAILROOM_CLIENT_ID": APP_CLIENT_ID,
            "MAILROOM_CREDENTIAL": "secret",
            "MAILROOM_CREDENTIAL_NAME": CREDENTIAL_NAME,
            "MAILROOM_KEY_VAULT_URL": self.vault.url,
            "MAILROOM_SIGNING_KEY_NAME": SIGNING_KEY_NAME,
            "MAILROOM_AUTHORITY": self.entra.url,
            "MAILROOM_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
            "MAILROOM_SMTP_HOST": "localhost",
            "MAILROOM_SMTP_PORT": str(self.office365.smtp_port),
            "MAILROOM_RETURNED_MAIL": "graph",
            "MAILROOM_RETURNED_SCOPE": "https://graph.microsoft.com/.default",
            "MAILROOM_GRAPH_URL": self.graph.url,
            "MAILROOM_NAME_SERVERS": json.dumps([self.names.address]),
            "MAILROOM_DELIVERY_TEST_MAILBOXES": json.dumps(ARRIVAL_MAILBOXES),
            **self._limit_settings(),
            **self.azurite.environment(client_id=IDENTITY_CLIENT_ID),
            **self.identity.environment(),
            **self.authority.environment(),
            **self.options.settings,
        }

    def _limit_settings(self) -> dict[str, str]:
        """The server's limits, as the app must know them; lifted ones are far away."""
        limits = self.office365.limits
        tenant = limits.tenant_external_recipients_per_day is not None
        return {
            "MAILROOM_MESSAGES_PER_MINUTE": str(limits.messages_per_minute or 6000),
            "MAILROOM_RECIPIENTS_PER_DAY": str(limits.recipients_per_day or 10_000_000),
            "MAILROOM_LICENCES": "1" if tenant else "0",
        }

    async def stop(self) -> None:
        """Stops everything that was started, the app first."""
        await self._closing.aclose()


async def provision(connection: str, **options: Any) -> None:
    """Creates the queues, containers and tables, as the deployment does in Azure.

    connection: a connection string. options: of the clients.
    """
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

    async with QueueServiceClient.from_connection_string(connection, **options) as queues:
        there = {queue.name async for queue in queues.list_queues()}
        for name in set(QUEUES) - there:
            await queues.create_queue(name)
    async with BlobServiceClient.from_connection_string(connection, **options) as blobs:
        there = {container.name async for container in blobs.list_containers()}
        for name in set(CONTAINERS) - there:
            await blobs.create_container(name)
    async with TableServiceClient.from_connection_string(connection, **options) as tables:
        for name in TABLES:
            await tables.create_table_if_not_exists(name)
