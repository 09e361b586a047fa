"""Each way of proving to Entra ID who the app is, from Key Vault to the accepted mail."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local.contoso import APP_CLIENT_ID, LOGIN_CLIENT_ID
from local.stack import ROOT, LocalStack
from tests.end_to_end.caller import BILLING, Caller, mail_of, message
from tests.end_to_end.faults import OpenBranch

CERTIFICATE, SIGN_IN = "mailroom-certificate", "mailroom-sign-in"

type Preparation = Callable[[Caller], Awaitable[None]]


def make_certificate() -> tuple[str, str]:
    """A certificate as Key Vault keeps its own: (PEM of the certificate, PEM of its key)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mailroom")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


async def register_certificate(branch: Caller) -> None:
    public, private = make_certificate()
    branch.stack.entra.directory.add_certificate(APP_CLIENT_ID, public)
    branch.stack.vault.store.set(CERTIFICATE, private + public)


async def log_in(branch: Caller) -> None:
    """What `make login` does: a device code is shown, and approved by the mailbox's user."""
    stack = branch.stack
    stack.entra.grants.device_logins.interval = 1
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "shared.accounts.login"),
        cwd=ROOT,
        env=stack.settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(30):
            while line := await process.stdout.readline():
                said += line
                if found := re.search(rb"enter the code (\S+) ", line):
                    login = stack.entra.grants.device_logins.find(found[1].decode())
                    assert login is not None
                    stack.entra.grants.approve(login, BILLING)
            assert await process.wait() == 0, said.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    branch.answers.append(said.decode())
    assert f"Signed in as {BILLING}" in said.decode()


async def nothing(_: Caller) -> None:
    """The managed identity is all that is needed."""


# Settings, what is done beforehand, the OAuth grant that the token must come by, and how many
# versions the Key Vault secret has then: a rotated refresh token is written back. The fourth kind,
# a client secret, is what all other tests send with.
KINDS: dict[str, tuple[dict[str, str], Preparation, str, int]] = {
    "certificate": (
        {"MAILROOM_CREDENTIAL": "certificate", "MAILROOM_CREDENTIAL_NAME": CERTIFICATE},
        register_certificate,
        "client_credentials",
        1,
    ),
    "federated": (
        {"MAILROOM_CREDENTIAL": "federated", "MAILROOM_KEY_VAULT_URL": ""},
        nothing,
        "client_credentials",
        0,
    ),
    "delegated": (
        {
            "MAILROOM_CREDENTIAL": "delegated",
            "MAILROOM_CREDENTIAL_NAME": SIGN_IN,
            "MAILROOM_CLIENT_ID": LOGIN_CLIENT_ID,
            "MAILROOM_RETURNED_MAIL": "off",  # a user's sign-in covers sending alone
        },
        log_in,
        "refresh_token",
        2,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_is_sent_with_each_kind_of_credential(
    stack: LocalStack, open_branch: OpenBranch, kind: str
) -> None:
    settings, prepare, grant, versions = KINDS[kind]
    async with open_branch(**settings) as branch:
        await prepare(branch)
        before = len(stack.entra.audit)
        for message_id in await asyncio.gather(*(branch.send(message()) for _ in range(6))):
            view = await branch.finished(message_id)
            assert view["status"] == "sent", view
            kept = mail_of(branch.stack, message_id)
            assert kept.mailbox == BILLING
            assert kept.app_id == branch.stack.settings["MAILROOM_CLIENT_ID"]
        # However many messages ask for it at once, one token is fetched. (The reader of returned
        # mail, whose minute may fall into this, asks for one of Graph's.)
        asked = [
            entry
            for entry in list(stack.entra.audit)[before:]
            if entry.grant == grant and "outlook.office" in entry.scope
        ]
        assert [entry.outcome for entry in asked] == ["issued"]
        name = settings.get("MAILROOM_CREDENTIAL_NAME", "none")
        assert len({one.value for one in stack.vault.store.versions(name)}) == versions
        health = await branch.request("GET", "health/dependencies")
        assert health.status == 200, health.text
