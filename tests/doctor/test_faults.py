"""Seeded faults, each of which the doctor finds, with the fix that mends it."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.contoso import APP_CLIENT_ID
from local.entra import EXCHANGE, GRAPH
from local.office365 import Fault, Mailbox
from local.stack import provision
from shared.doctor.finding import Severity
from shared.doctor.report import as_json, as_text
from tests.accounts.conftest import SECRET_NAME
from tests.doctor.conftest import BILLING, SIGNING_KEY, Scene
from tests.doctor.refusing import refusing

OTHER_ID = "99999999-9999-9999-9999-999999999999"


@dataclass(frozen=True)
class Seeded:
    """A fault, the check that must tell of it, how bad it is, and words of the right fix."""

    name: str
    seed: Callable[[Scene], object]
    check: str
    severity: Severity
    fix: str


def mailbox(**changes: object) -> Callable[[Scene], object]:
    return lambda scene: scene.office.exchange.put_mailbox(Mailbox(BILLING).patched({**changes}))


def refused(stage: str, reply: str) -> Callable[[Scene], object]:
    return lambda scene: scene.office.faults.add([Fault(stage, "reply", reply=reply)])


async def stop_office(scene: Scene) -> None:
    await scene.office.stop()


def setting(name: str, value: str) -> Callable[[Scene], object]:
    return lambda scene: scene.environment.update({name: value})


def permissions(resource: str, *names: str) -> Callable[[Scene], object]:
    def seed(scene: Scene) -> None:
        app = scene.directory.app(APP_CLIENT_ID)
        held = {**app.application_permissions, resource: frozenset(names)}
        scene.directory.change_app(APP_CLIENT_ID, application_permissions=held)

    return seed


def expire_in_entra(scene: Scene) -> None:
    scene.directory.expire_secret(APP_CLIENT_ID, scene.secret_id)


def date_secret(**dates: timedelta) -> Callable[[Scene], object]:
    def seed(scene: Scene) -> None:
        now = scene.clock()
        scene.vault.store.update(
            SECRET_NAME, "", **{name: int((now + span).timestamp()) for name, span in dates.items()}
        )

    return seed


def issue_for_another_tenant(scene: Scene) -> None:
    scene.entra.tokens.tenant_id = OTHER_ID


def issue_for(audience: str) -> Callable[[Scene], object]:
    return lambda scene: setattr(scene.entra.tokens.faults, "audience", audience)


def short_life(scene: Scene) -> None:
    scene.entra.tokens.faults.life = timedelta(minutes=5)


async def delete_queue(scene: Scene) -> None:
    async with QueueServiceClient.from_connection_string(scene.azurite.connection_string) as q:
        await q.delete_queue("digest-items")


async def delete_table(scene: Scene) -> None:
    async with TableServiceClient.from_connection_string(scene.azurite.connection_string) as t:
        await t.delete_table("quotas")


async def delete_container(scene: Scene) -> None:
    async with BlobServiceClient.from_connection_string(scene.azurite.connection_string) as b:
        await b.delete_container("secure-files")


def post(queue: str) -> Callable[[Scene], object]:
    async def seed(scene: Scene) -> None:
        text = scene.azurite.connection_string
        async with QueueServiceClient.from_connection_string(text) as queues:
            await queues.get_queue_client(queue).send_message("x")

        async def empty() -> None:
            async with QueueServiceClient.from_connection_string(text) as queues:
                await queues.get_queue_client(queue).clear_messages()

        scene.after.append(empty)

    return seed


async def leave_waiting(scene: Scene) -> None:
    await post("bounce-events")(scene)  # type: ignore[misc]
    scene.ahead = timedelta(minutes=30)


def refuse(service: str, *methods: str) -> Callable[[Scene], object]:
    """The role for a service is missing, as far as these methods go."""

    async def seed(scene: Scene) -> None:
        target = getattr(scene.azurite, f"{service}_url")
        proxy = refusing(target, methods)
        url = await proxy.__aenter__()
        scene.after.append(lambda: proxy.__aexit__(None, None, None))
        text = scene.environment["AzureWebJobsStorage"]
        scene.environment["AzureWebJobsStorage"] = text.replace(target, url)

    return seed


def clock_off(**span: float) -> Callable[[Scene], object]:
    return lambda scene: setattr(scene, "ahead", timedelta(**span))


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
FAULTS = [
    Seeded("scope of Graph", setting("MAILROOM_TOKEN_SCOPE", "https://graph.microsoft.com/.default"),
           "token.audience", ERROR, "MAILROOM_TOKEN_SCOPE empty"),
    Seeded("audience of Graph", issue_for("https://graph.microsoft.com"),
           "token.audience", ERROR, "https://outlook.office365.com/.default"),
    Seeded("unknown tenant", setting("MAILROOM_TENANT_ID", OTHER_ID),
           "token.obtained", ERROR, "MAILROOM_TENANT_ID"),
    Seeded("token of another tenant", issue_for_another_tenant,
           "token.tenant", ERROR, "MAILROOM_TENANT_ID"),
    Seeded("unknown app", setting("MAILROOM_CLIENT_ID", OTHER_ID),
           "token.obtained", ERROR, "MAILROOM_CLIENT_ID"),
    Seeded("secret expired in Entra", expire_in_entra,
           "token.obtained", ERROR, "new version"),
    Seeded("token of 5 minutes", short_life, "token.obtained", ERROR, "token lifetime policy"),
    Seeded("no role", permissions(EXCHANGE.app_id), "token.way", NOTE,
           "grant SMTP.SendAsApp of Office 365 Exchange Online"),
    Seeded("another role", permissions(EXCHANGE.app_id, "IMAP.AccessAsApp"), "token.way", WARNING,
           "Grant SMTP.SendAsApp of Office 365 Exchange Online"),
    Seeded("too much of Exchange",
           permissions(EXCHANGE.app_id, "SMTP.SendAsApp", "full_access_as_app"),
           "token.over-privilege", WARNING, "Remove full_access_as_app"),
    Seeded("too much of Graph", permissions(GRAPH.app_id, "Mail.ReadWrite", "Mail.Send"),
           "token.over-privilege", WARNING, "Remove Mail.ReadWrite, Mail.Send"),
    Seeded("secret expired in the vault", date_secret(expires_on=timedelta(days=-1)),
           "vault.credential", ERROR, "new version of mailroom-credential"),
    Seeded("secret expires soon", date_secret(expires_on=timedelta(days=9)),
           "vault.credential", WARNING, "new version of mailroom-credential"),
    Seeded("secret not valid yet", date_secret(not_before=timedelta(days=9)),
           "vault.credential", WARNING, "activation date"),
    Seeded("secret disabled", lambda s: s.vault.store.disable(SECRET_NAME),
           "vault.credential", ERROR, "Enable it"),
    Seeded("secret missing", setting("MAILROOM_CREDENTIAL_NAME", "no-such-secret"),
           "vault.credential", ERROR, "MAILROOM_CREDENTIAL_NAME"),
    Seeded("secret id in place of its value",
           lambda s: s.vault.store.set(SECRET_NAME, s.secret_id),
           "vault.secret-id", ERROR, "store its Value"),
    Seeded("no role on the vault", lambda s: s.vault.access.assignments.clear(),
           "vault.credential", ERROR, "Key Vault Secrets User"),
    Seeded("signing key too short", lambda s: s.vault.store.set(SIGNING_KEY, "short"),
           "vault.signing-key", WARNING, "openssl rand"),
    Seeded("signing key missing", setting("MAILROOM_SIGNING_KEY_NAME", "no-such-key"),
           "vault.signing-key", WARNING, "MAILROOM_SIGNING_KEY_NAME"),
    Seeded("identity not assigned", setting("MAILROOM_IDENTITY_CLIENT_ID", OTHER_ID),
           "identity.token", ERROR, "assign that identity"),
    Seeded("queue missing", delete_queue, "storage.queue", ERROR, "--name digest-items"),
    Seeded("table missing", delete_table, "storage.table", ERROR, "--name quotas"),
    Seeded("container missing", delete_container, "storage.container", ERROR,
           "--name secure-files"),
    Seeded("no role for queues", refuse("queue", "GET", "HEAD", "DELETE"),
           "storage.queue-access", ERROR, "Storage Queue Data Contributor"),
    Seeded("queues may be read only", refuse("queue", "DELETE"),
           "storage.queue-access", ERROR, "Storage Queue Data Contributor"),
    Seeded("tables may be read only", refuse("table", "DELETE"),
           "storage.table-access", ERROR, "Storage Table Data Contributor"),
    Seeded("blobs may be read only", refuse("blob", "DELETE"),
           "storage.container-access", ERROR, "Storage Blob Data Owner"),
    Seeded("poison", post("bounce-events-poison"), "storage.poison", WARNING,
           "back into bounce-events"),
    Seeded("nobody takes messages", leave_waiting, "storage.waiting", WARNING,
           "whether the function app runs"),
    Seeded("clock 2 minutes fast", clock_off(minutes=2), "clock.offset", WARNING, "Synchronise"),
    Seeded("clock 10 minutes slow", clock_off(minutes=-10), "clock.offset", ERROR, "Synchronise"),
    Seeded("server of another preset", setting("MAILROOM_SMTP_HOST", "smtp.hve.mx.microsoft"),
           "settings.risk", WARNING, "MAILROOM_SMTP_PRESET=hve"),
    Seeded("implicit TLS", setting("MAILROOM_SMTP_PORT", "465"), "settings.risk", ERROR, "587"),
    Seeded("limit of another preset", setting("MAILROOM_SMTP_PRESET", "hve"),
           "settings.risk", WARNING, "MAILROOM_RECIPIENT_LIMIT=50"),
    Seeded("SMTP AUTH off", mailbox(smtp_auth=False), "smtp.sign-in", ERROR,
           "SmtpClientAuthenticationDisabled"),
    Seeded("no SendAs", refused("mail", "550 5.7.60 SendAsDenied"), "smtp.sign-in", ERROR,
           "SendAs"),
    Seeded("mailbox blocked", refused("auth", "550 5.2.251 Mailbox is blocked"), "smtp.sign-in",
           ERROR, "support cannot lift it"),
    Seeded("no such mailbox", setting("MAILROOM_SENDERS", '["nobody@contoso.test"]'),
           "smtp.sign-in", ERROR, "ailbox"),
    Seeded("no submission server", stop_office, "smtp.server", ERROR, "MAILROOM_SMTP_HOST"),
    Seeded("SPF missing", lambda s: s.names.zone.pop(("contoso.test", "TXT")),
           "dns.spf", ERROR, "include:spf.protection.outlook.com"),
    Seeded("DKIM missing",
           lambda s: s.names.zone.pop(("selector1._domainkey.contoso.test", "CNAME")),
           "dns.dkim", WARNING, "New-DkimSigningConfig"),
    Seeded("misspelt setting", setting("MAILROOM_SENDER", "x"),
           "settings.risk", WARNING, "MAILROOM_SENDERS?"),
    Seeded("capped domain", setting("MAILROOM_SENDERS", '["a@contoso.onmicrosoft.com"]'),
           "settings.risk", WARNING, "domain of your own"),
]  # fmt: skip


@pytest.fixture(autouse=True)
async def mended(scene: Scene):  # type: ignore[no-untyped-def]
    yield
    await provision(scene.azurite.connection_string)


async def test_nothing_is_found_on_a_healthy_stack(scene: Scene) -> None:
    examination = await scene.examine()
    findings = [f for f in examination.findings if f.check != "dates.known"]  # as the calendar has
    assert [f for f in findings if f.severity > NOTE] == []
    # Way A is what the local tenant has, and nothing is read; that is said, not complained of.
    assert {f.check for f in findings if f.severity == NOTE} == {"token.way", "returned-mail.read"}
    groups = {f.check.partition(".")[0] for f in findings}
    assert groups == {
        "settings", "identity", "vault", "token", "smtp", "storage", "returned-mail", "dns",
        "clock",
    }  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
# azure-data-tables tests the truth of an XML element when it reads a refusal.
@pytest.mark.filterwarnings("ignore:Testing an element's truth:DeprecationWarning")
async def test_a_fault_is_found_with_its_fix(scene: Scene, fault: Seeded) -> None:
    seeded = fault.seed(scene)
    if inspect.isawaitable(seeded):
        await seeded
    examination = await scene.examine()
    told = [f for f in examination.findings if f.check == fault.check and fault.fix in f.fix]
    assert told, as_text(examination)
    assert max(f.severity for f in told) == fault.severity
    assert all(f.cause and f.fix for f in examination.findings if f.severity > Severity.OK)
    shown = as_text(examination, colour=True) + json.dumps(as_json(examination))
    shown += repr(examination)
    for secret in (*scene.secrets, "eyJ"):  # what every token begins with
        assert secret not in shown
