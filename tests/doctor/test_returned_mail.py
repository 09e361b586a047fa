"""The mailboxes that bounces come back to: who may not read them is told what to do."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, TENANT_ID
from local.graph import GraphServer
from local.mailboxes import TenantMailboxes
from shared.doctor.finding import Finding, Severity
from shared.doctor.report import as_text
from tests.doctor.conftest import BILLING, Scene


@dataclass
class Read:
    """A scene whose mailboxes are read over Graph."""

    scene: Scene
    graph: GraphServer

    async def found(self) -> list[Finding]:
        examination = await self.scene.examine()
        for secret in (*self.scene.secrets, "eyJ"):
            assert secret not in as_text(examination)
        return [f for f in examination.findings if f.check.startswith("returned-mail")]


@pytest.fixture
async def read(scene: Scene, authority: LocalAuthority) -> AsyncIterator[Read]:
    graph = GraphServer(
        authority, scene.entra.jwks, TenantMailboxes([BILLING]), tenant_id=TENANT_ID
    )
    graph.access.assign(BILLING, APP_CLIENT_ID, "Mail.Read")
    await graph.start()
    scene.environment |= {
        "MAILROOM_RETURNED_MAIL": "graph",
        "MAILROOM_GRAPH_URL": graph.url,
        "MAILROOM_RETURNED_SCOPE": "https://graph.microsoft.com/.default",
    }
    yield Read(scene, graph)
    await graph.stop()


async def test_a_mailbox_that_can_be_read(read: Read) -> None:
    [told] = await read.found()
    assert (told.check, told.severity, told.subject) == (
        "returned-mail.read", Severity.OK, BILLING,
    )  # fmt: skip


def setting(name: str, value: str) -> Callable[[Read], object]:
    return lambda read: read.scene.environment.update({name: value})


def misspell(read: Read) -> None:
    read.graph.access.assign("bilding@contoso.test", APP_CLIENT_ID, "Mail.Read")
    read.scene.environment["MAILROOM_RETURNED_MAILBOXES"] = '["bilding@contoso.test"]'


FAULTS = {
    "not read at all": (setting("MAILROOM_RETURNED_MAIL", "off"),
                        "returned-mail.read", Severity.NOTE, "MAILROOM_RETURNED_MAIL=graph"),
    "no role": (lambda read: read.graph.access.assign(BILLING, APP_CLIENT_ID),
                "returned-mail.read", Severity.ERROR, "Application Mail.Read"),
    "no mailbox": (misspell,
                   "returned-mail.read", Severity.ERROR, "MAILROOM_RETURNED_MAILBOXES"),
    "no folder": (setting("MAILROOM_RETURNED_FOLDERS", '["INBOX", "Rückläufer"]'),
                  "returned-mail.folders", Severity.WARNING, "MAILROOM_RETURNED_FOLDERS"),
    "token for another service": (
        setting("MAILROOM_RETURNED_SCOPE", "https://outlook.office365.com/.default"),
        "returned-mail.read", Severity.ERROR, "MAILROOM_RETURNED_SCOPE"),
    "another tenant's mailboxes": (
        lambda read: setattr(read.graph.access, "tenant_id", "another"),
        "returned-mail.read", Severity.ERROR, "MAILROOM_TENANT_ID"),
    "nobody there": (lambda read: read.graph.stop(),
                     "returned-mail.read", Severity.WARNING, ""),
    "IMAP, nobody there": (
        lambda read: read.scene.environment.update(
            MAILROOM_RETURNED_MAIL="imap", MAILROOM_RETURNED_SCOPE="",
            MAILROOM_IMAP_HOST="localhost", MAILROOM_IMAP_PORT="1"),
        "returned-mail.read", Severity.WARNING, "MAILROOM_IMAP_PORT"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_found_with_its_fix(read: Read, name: str) -> None:
    seed, check, severity, fix = FAULTS[name]
    seeded = seed(read)
    if hasattr(seeded, "__await__"):
        await seeded
    [told] = await read.found()
    assert (told.check, told.severity) == (check, severity), told
    assert told.cause
    assert told.fix
    assert fix in told.fix
