"""The settings: one frozen object, made once from a mapping. The only reader of the environment.

Every setting stands here once, with its name, meaning and default; `docs/settings.md` and
`local.settings.example.json` are checked against it.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from shared.caller_settings import CallerSettings, caller_faults
from shared.content_settings import ClientSettings
from shared.errors import SettingsError
from shared.returned_mail_settings import returned_mail_faults
from shared.setting_values import (
    Identity,
    SettingInfo,
    UnreadableError,
    https_url,
    is_demanded,
    one_of,
    senders,
    setting,
    text,
    web_url,
    whole,
    written,
)

CredentialKind = Literal["secret", "certificate", "federated", "delegated"]
SmtpPreset = Literal["office365", "hve", "acs", "custom"]

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(CallerSettings):
    """What an operator chooses. Durations are in seconds, sizes in bytes."""

    # Who sends
    senders: Mapping[str, Identity] = setting(
        "MAILROOM_SENDERS",
        senders,
        "Who may send: a JSON list of mailboxes, or an object of From address (or `*@domain`) to "
        'the mailbox or mailboxes that Mailroom signs in as for it, or to `{"mailboxes": […], '
        '"lanes": ["normal", "low"]}`, which allows these priorities alone.',
    )

    # Accounts and tokens
    tenant_id: str = setting("MAILROOM_TENANT_ID", text, "The Entra ID tenant of the mailboxes.")
    client_id: str = setting(
        "MAILROOM_CLIENT_ID", text, "Application (client) id of the app registration that sends."
    )
    credential: CredentialKind = setting(
        "MAILROOM_CREDENTIAL",
        one_of("secret", "certificate", "federated", "delegated"),
        "How the app proves who it is: `secret` or `certificate` (kept in Key Vault), `federated` "
        "(the managed identity, no secret) or `delegated` (a user signed in by `make login`).",
        default="federated",
    )
    credential_name: str = setting(
        "MAILROOM_CREDENTIAL_NAME",
        text,
        "Name of the Key Vault secret that holds the client secret, the certificate with its key "
        "(PEM or PFX) or the delegated token cache.",
        default="mailroom-credential",
    )
    key_vault_url: str = setting(
        "MAILROOM_KEY_VAULT_URL",
        https_url,
        "The Key Vault; not needed for `federated`.",
        default="",
    )
    authority: str = setting(
        "MAILROOM_AUTHORITY",
        https_url,
        "Entra ID's address (national clouds have their own).",
        default="https://login.microsoftonline.com",
    )
    identity: Literal["managed", "developer"] = setting(
        "MAILROOM_IDENTITY",
        one_of("managed", "developer"),
        "`managed`: the function app's managed identity. `developer`: whoever is signed in on this "
        "machine (Azure CLI, VS Code …), for development only.",
        default="managed",
    )
    identity_client_id: str = setting(
        "MAILROOM_IDENTITY_CLIENT_ID",
        text,
        "Client id of a user-assigned managed identity; empty for the system-assigned one.",
        default="",
    )

    # The submission server
    smtp_preset: SmtpPreset = setting(
        "MAILROOM_SMTP_PRESET",
        one_of("office365", "hve", "acs", "custom"),
        "`office365`; `hve` (High Volume Email, internal recipients); `acs` (Azure Communication "
        "Services); `custom` (host, port and scope below).",
        default="office365",
    )
    smtp_host: str = setting(
        "MAILROOM_SMTP_HOST", text, "Overrides the preset's submission server.", default=""
    )
    smtp_port: int = setting(
        "MAILROOM_SMTP_PORT",
        whole(0, 65535),
        "Overrides the preset's port (STARTTLS); 0: the preset's.",
        default=0,
    )
    smtp_username: str = setting(
        "MAILROOM_SMTP_USERNAME",
        text,
        "For `acs`: the SMTP username resource that stands for the app.",
        default="",
    )
    token_scope: str = setting(
        "MAILROOM_TOKEN_SCOPE",
        text,
        "Overrides the preset's OAuth2 scope. One audience a token, never mixed.",
        default="",
    )
    sessions_per_mailbox: int = setting(
        "MAILROOM_SESSIONS_PER_MAILBOX",
        whole(1, 3),
        "SMTP sessions a mailbox has open at most; Office 365 allows 3.",
        default=3,
    )
    smtp_timeout: int = setting(
        "MAILROOM_SMTP_TIMEOUT",
        whole(1, 600),
        "Seconds to wait for the server at any step before the body has been sent.",
        default=60,
    )

    # What is accepted
    size_limit: int = setting(
        "MAILROOM_SIZE_LIMIT",
        whole(64 * 1024, 150 * _MEBIBYTE),
        "Largest message in bytes, as sent (attachments grow by 37 % in base64). The mailbox's "
        "MaxSendSize is usually 35 MB.",
        default=35 * _MEBIBYTE,
    )
    recipient_limit: int = setting(
        "MAILROOM_RECIPIENT_LIMIT",
        whole(1, 1000),
        "Recipients a message may have; the mailbox's RecipientLimits is 500 unless changed.",
        default=500,
    )

    # Delivery
    deadline: int = setting(
        "MAILROOM_DEADLINE",
        whole(60, 7 * 86400),
        "Seconds after which a message that still meets transient refusals fails.",
        default=24 * 3600,
    )
    bulk_deadline: int = setting(
        "MAILROOM_BULK_DEADLINE",
        whole(60, 7 * 86400),
        "The same for bulk messages.",
        default=72 * 3600,
    )
    lease: int = setting(
        "MAILROOM_LEASE",
        whole(2, 3600),
        "Seconds a delivery holds its message without renewing; after a crash the message is "
        "looked at again when they are over.",
        default=120,
    )
    reconcile_after: int = setting(
        "MAILROOM_RECONCILE_AFTER",
        whole(1, 86400),
        "Seconds after which a message that nobody has touched is checked and, if its queue "
        "message was lost, enqueued again.",
        default=120,
    )
    unknown: Literal["hold", "resend"] = setting(
        "MAILROOM_UNKNOWN",
        one_of("hold", "resend"),
        "What becomes of a message of which nobody can know whether the server took it: `hold` it "
        "as `unknown` until somebody resolves it, or `resend` it and risk a second copy. Where "
        "MAILROOM_SENT_ITEMS has it looked for, it is `unknown` until then.",
        default="hold",
    )

    # What is kept
    content_days: int = setting(
        "MAILROOM_CONTENT_DAYS",
        whole(1, 3650),
        "Days that a message's content is kept after its final status; until then it can be "
        "replayed.",
        default=30,
    )
    timeline_days: int = setting(
        "MAILROOM_TIMELINE_DAYS",
        whole(1, 3650),
        "Days that a message's record and timeline are kept after its final status; until then its "
        "idempotency key is known.",
        default=365,
    )

    # Storage
    storage_connection: str = setting(
        "AzureWebJobsStorage",
        text,
        "Connection string of the storage account, for one machine; in Azure use the three "
        "addresses below with the managed identity.",
        default="",
        secret=True,
    )
    blob_url: str = setting(
        "AzureWebJobsStorage__blobServiceUri", web_url, "Blob service's address.", default=""
    )
    queue_url: str = setting(
        "AzureWebJobsStorage__queueServiceUri", web_url, "Queue service's address.", default=""
    )
    table_url: str = setting(
        "AzureWebJobsStorage__tableServiceUri", web_url, "Table service's address.", default=""
    )

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Every mailbox that Mailroom signs in as, each once."""
        return tuple(dict.fromkeys(m for one in self.senders.values() for m in one.mailboxes))

    def mailboxes_for(self, sender: str) -> tuple[str, ...]:
        """The mailboxes that may send as the From address `sender`; () if none may."""
        identity = self.identity_of(sender)
        return identity.mailboxes if identity else ()

    def identity_of(self, sender: str) -> Identity | None:
        """What stands for the From address `sender`; None if nobody may send as it."""
        address = sender.lower()
        return self.senders.get(address) or self.senders.get(f"*@{address.rpartition('@')[2]}")

    @property
    def read_mailboxes(self) -> tuple[str, ...]:
        """The mailboxes whose returned mail is read."""
        return self.returned_mailboxes or self.mailboxes

    def sent_items_of(self, mailbox: str) -> timedelta:
        """For how long a copy is looked for in this mailbox's Sent Items; zero: not at all."""
        readable = self.returned_mail != "off" and mailbox in self.read_mailboxes
        return timedelta(seconds=self.sent_items if readable else 0)

    def is_external(self, address: str) -> bool:
        """Whether a recipient is outside of the tenant's accepted domains."""
        domain = address.rpartition("@")[2].lower()
        if self.accepted_domains:
            return domain not in self.accepted_domains
        return all(sender.rpartition("@")[2] != domain for sender in self.senders)


def describe_settings() -> tuple[SettingInfo, ...]:
    """All settings, in the order of the documentation: sending first, storage last."""
    own = Settings.__annotations__
    fields = dataclasses.fields(Settings)
    named = [field for field in fields if field.name in own]
    storage = next(i for i, field in enumerate(named) if field.name == "storage_connection")
    inherited = [field for field in fields if field.name not in own]
    return tuple(
        SettingInfo(field.metadata["name"], field.metadata["doc"], written(field))
        for field in (*named[:storage], *inherited, *named[storage:])
    )


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks all settings, from the process environment unless told otherwise.

    An empty setting counts as unset.

    Raises SettingsError that names every missing or unusable setting at once.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for field in dataclasses.fields(Settings):
        name = field.metadata["name"]
        raw = source.get(name, "")
        if not raw.strip():
            if is_demanded(field):
                faults[name] = f"{name} is missing: {field.metadata['doc']}"
            continue
        try:
            values[field.name] = cast("Callable[[str], object]", field.metadata["read"])(raw)
        except UnreadableError as error:
            faults[name] = f"{name} must be {error}."
    # Missing ones get stand-ins, so that contradictions are told in the same breath.
    settings = Settings(**{"senders": {}, "tenant_id": "", "client_id": "", **values})
    faults |= {
        name: fault
        for name, fault in _contradictions(settings).items()
        if not any(unusable in fault for unusable in faults)
    }
    if not faults:
        return settings
    raise SettingsError(
        "The settings cannot be used. " + " ".join(faults.values()),
        fix="Set them in the function app's configuration, or in local.settings.json.",
        names=tuple(faults),
    )


def process_environment() -> Mapping[str, str]:
    """The process's environment as it is now, for what the host and the SDKs read themselves."""
    return dict(os.environ)


def use_local_settings(path: Path) -> None:
    """Puts the `Values` of a `local.settings.json` into the process's environment, where identity,
    certificates and settings are looked for. Who names a file means it: it goes before what is set.

    Raises SettingsError if it is no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {str(name): str(value) for name, value in content["Values"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} cannot be read as local.settings.json: {type(error).__name__}.",
            fix="Give a JSON file with an object named Values, as local.settings.example.json is.",
        ) from None
    os.environ.update(values)


def api_auth() -> str:
    """MAILROOM_API_AUTH as it stands: routes are declared before settings can be refused."""
    return os.environ.get("MAILROOM_API_AUTH", "").strip().lower() or "keys"


def load_client_settings(*, url: str = "", key: str = "") -> ClientSettings:
    """What is not given comes from MAILROOM_URL and MAILROOM_KEY. Raises SettingsError."""
    url = url or os.environ.get("MAILROOM_URL", "")
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
    if not here and not (parts.scheme == "https" and parts.hostname):
        raise SettingsError(
            "The address of the app is missing, or does not begin with https://.",
            fix="Give --url, or set MAILROOM_URL.", names=("MAILROOM_URL",),
        )  # fmt: skip
    return ClientSettings(url, key or os.environ.get("MAILROOM_KEY", ""))


def _contradictions(settings: Settings) -> dict[str, str]:
    faults: dict[str, str] = {}
    if settings.credential != "federated" and not settings.key_vault_url:
        faults["MAILROOM_KEY_VAULT_URL"] = (
            f"MAILROOM_KEY_VAULT_URL is missing: MAILROOM_CREDENTIAL={settings.credential} keeps "
            "its credential there."
        )
    if settings.credential == "federated" and settings.identity == "developer":
        faults["MAILROOM_IDENTITY"] = (
            "MAILROOM_IDENTITY=developer cannot go with MAILROOM_CREDENTIAL=federated: only a "
            "managed identity can be a federated credential."
        )
    if settings.smtp_preset == "custom" and not (settings.smtp_host and settings.token_scope):
        faults["MAILROOM_SMTP_HOST"] = (
            "MAILROOM_SMTP_PRESET=custom needs MAILROOM_SMTP_HOST and MAILROOM_TOKEN_SCOPE."
        )
    if settings.smtp_preset == "acs" and not (
        settings.smtp_username and settings.credential == "secret"
    ):
        faults["MAILROOM_SMTP_USERNAME"] = (
            "MAILROOM_SMTP_PRESET=acs needs MAILROOM_SMTP_USERNAME and MAILROOM_CREDENTIAL=secret."
        )
    if settings.guard.uses("encrypt") and not (
        settings.encrypt_header or settings.encrypt_subject_tag
    ):
        faults["MAILROOM_ENCRYPT_HEADER"] = (
            "MAILROOM_ENCRYPT_HEADER or MAILROOM_ENCRYPT_SUBJECT_TAG is missing: MAILROOM_GUARD "
            "has the action encrypt, which writes them."
        )
    if settings.link_max_days < settings.link_days:
        faults["MAILROOM_LINK_MAX_DAYS"] = (
            "MAILROOM_LINK_MAX_DAYS must not be less than MAILROOM_LINK_DAYS."
        )
    if settings.timeline_days < settings.content_days:
        faults["MAILROOM_TIMELINE_DAYS"] = (
            "MAILROOM_TIMELINE_DAYS must not be less than MAILROOM_CONTENT_DAYS: without its "
            "record nobody finds the content."
        )
    faults |= caller_faults(settings, tenant_id=settings.tenant_id)
    faults |= returned_mail_faults(settings, credential=settings.credential)
    urls = (settings.blob_url, settings.queue_url, settings.table_url)
    if not settings.storage_connection and not all(urls):
        faults["AzureWebJobsStorage"] = (
            "AzureWebJobsStorage is missing: give a connection string, or all of "
            "AzureWebJobsStorage__blobServiceUri, AzureWebJobsStorage__queueServiceUri and "
            "AzureWebJobsStorage__tableServiceUri."
        )
    return faults
