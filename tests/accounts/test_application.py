"""The app's own credential: its kinds, its rotation, and what Entra's trouble does to it."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from local.contoso import APP_CLIENT_ID
from local.entra import Directory, EntraServer
from local.faults import Fault
from local.keyvault import KeyVaultServer
from shared.accounts.credential import read_certificate, read_client_secret
from shared.accounts.keyvault import Secret
from shared.errors import CredentialError, CredentialUnavailableError
from tests.accounts.conftest import (
    SECRET_NAME,
    OpenAccounts,
    Pauses,
    StoppedClock,
    whole_text,
)

SCOPE = "https://outlook.office365.com/.default"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certify(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str = "Mailroom"
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )


def key_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None
) -> str:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    ).decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def pfx(key: rsa.RSAPrivateKey, certificate: x509.Certificate, password: bytes = b"") -> str:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    data = pkcs12.serialize_key_and_certificates(b"mailroom", key, certificate, None, lock)
    return base64.b64encode(data).decode()


def as_pem_key_first(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> str:
    return key_pem(key) + certificate_pem(certificate)


def as_pem_with_chain(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    return certificate_pem(certify(other, "Another")) + certificate_pem(certificate) + key_pem(key)


def as_pfx(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> str:
    return pfx(key, certificate)


def as_pfx_in_lines(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> str:
    text = pfx(key, certificate)
    return "\n".join(text[start : start + 64] for start in range(0, len(text), 64)) + "\n"


@pytest.mark.parametrize("write", [as_pem_key_first, as_pem_with_chain, as_pfx, as_pfx_in_lines])
async def test_a_certificate_in_each_form_becomes_a_token(
    open_with: OpenAccounts,
    entra: EntraServer,
    vault: KeyVaultServer,
    key: rsa.RSAPrivateKey,
    write: Callable[[rsa.RSAPrivateKey, x509.Certificate], str],
) -> None:
    certificate = certify(key)
    entra.directory.add_certificate(APP_CLIENT_ID, certificate_pem(certificate))
    vault.store.set(SECRET_NAME, write(key, certificate))
    token = await open_with("certificate").tokens.token(SCOPE)
    assert entra.keys.verify(token.value)["appidacr"] == "2"


async def test_a_certificate_that_is_not_registered_is_told_so(
    open_with: OpenAccounts, vault: KeyVaultServer, key: rsa.RSAPrivateKey
) -> None:
    vault.store.set(SECRET_NAME, as_pfx(key, certify(key)))
    with pytest.raises(CredentialError, match="AADSTS700027") as caught:
        await open_with("certificate").tokens.token(SCOPE)
    assert "Upload the public part" in caught.value.fix


async def test_a_renewed_certificate_is_taken_up_when_the_old_one_is_refused(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer, key: rsa.RSAPrivateKey
) -> None:
    old, new = certify(key), certify(key)
    entra.directory.add_certificate(APP_CLIENT_ID, certificate_pem(old))
    vault.store.set(SECRET_NAME, as_pfx(key, old))
    tokens = open_with("certificate").tokens
    first = await tokens.token(SCOPE)
    entra.directory.change_app(APP_CLIENT_ID, certificates=())
    entra.directory.add_certificate(APP_CLIENT_ID, certificate_pem(new))
    vault.store.set(SECRET_NAME, as_pfx(key, new))
    assert (await tokens.token(SCOPE, rejected=first)).value != first.value


def unusable_certificates() -> dict[str, tuple[str, str]]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    certificate = certify(key)
    return {
        "key alone": (key_pem(key), "there is only a key"),
        "certificate alone": (certificate_pem(certificate), "private key is missing"),
        "another's key": (key_pem(other) + certificate_pem(certificate), "does not belong"),
        "encrypted key": (key_pem(key, b"x" * 12) + certificate_pem(certificate), "encrypted"),
        "curve": (key_pem(curve) + certificate_pem(certify(curve)), "not RSA"),
        "damaged": (key_pem(key)[:700] + "\n-----END PRIVATE KEY-----\n", "only a key"),
        "pfx with password": (pfx(key, certificate, b"secret"), "has a password"),
        "base64 of nothing": (base64.b64encode(b"nothing").decode(), "no PFX"),
        "a client secret": ("a8Q~kT0.not-base64", "neither PEM nor base64"),
        "empty": ("", "neither PEM nor base64"),
    }


def test_certificates_that_cannot_be_used_say_why_and_show_nothing() -> None:
    for name, (value, reason) in unusable_certificates().items():
        with pytest.raises(CredentialError, match=reason) as caught:
            read_certificate(Secret(SECRET_NAME, "1", value))
        assert caught.value.code == "not_a_certificate", name
        assert "PEM or PFX without password" in caught.value.fix
        shown = whole_text(caught.value)
        assert not any(line in shown for line in value.splitlines() if len(line) > 7), name


@pytest.mark.parametrize("value", ["", " \n", "-----BEGIN PRIVATE KEY-----\nMIIE\n"])
def test_a_secret_that_is_no_client_secret_is_never_sent(value: str) -> None:
    with pytest.raises(CredentialError, match="holds no client secret"):
        read_client_secret(Secret(SECRET_NAME, "1", value))


async def test_a_line_end_after_the_client_secret_is_forgiven(
    open_with: OpenAccounts, directory: Directory, vault: KeyVaultServer
) -> None:
    vault.store.set(SECRET_NAME, directory.add_secret(APP_CLIENT_ID).value + "\r\n")
    assert (await open_with().tokens.token(SCOPE)).value


async def test_an_expired_secret_is_replaced_by_its_new_version_in_the_same_call(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer
) -> None:
    old = entra.directory.add_secret(APP_CLIENT_ID)
    vault.store.set(SECRET_NAME, old.value)
    tokens = open_with().tokens
    first = await tokens.token(SCOPE)
    vault.store.set(SECRET_NAME, entra.directory.add_secret(APP_CLIENT_ID).value)
    entra.directory.expire_secret(APP_CLIENT_ID, old.key_id)
    second = await tokens.token(SCOPE, rejected=first)
    assert second.value != first.value
    assert [entry.outcome for entry in entra.audit] == ["issued", "AADSTS7000222", "issued"]


async def test_a_wrong_secret_is_not_shown_to_entra_again_and_its_successor_is_taken_up(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer, clock: StoppedClock
) -> None:
    right = entra.directory.add_secret(APP_CLIENT_ID)
    vault.store.set(SECRET_NAME, right.key_id)  # the id in place of the value
    tokens = open_with().tokens
    for _ in range(20):
        with pytest.raises(CredentialError, match="AADSTS7000215") as caught:
            await tokens.token(SCOPE)
        clock.advance(seconds=1)
    assert "Value (not its Secret ID)" in caught.value.fix
    assert len(entra.audit) <= 2
    assert vault.requests["get"] > 4
    vault.store.set(SECRET_NAME, right.value)
    clock.advance(seconds=6)
    assert (await tokens.token(SCOPE)).value


async def test_a_refused_secret_is_tried_again_after_a_while(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, clock: StoppedClock
) -> None:
    known = entra.directory.app(APP_CLIENT_ID).secrets
    entra.directory.change_app(APP_CLIENT_ID, secrets=())
    tokens = open_with().tokens
    with pytest.raises(CredentialError):
        await tokens.token(SCOPE)
    entra.directory.change_app(APP_CLIENT_ID, secrets=known)  # the operator mended Entra's side
    clock.advance(seconds=31)
    assert (await tokens.token(SCOPE)).value


async def test_throttling_is_waited_out_as_long_as_entra_asks(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, pauses: Pauses
) -> None:
    entra.faults.answers.add(Fault(status=429, retry_after=4))
    assert (await open_with().tokens.token(SCOPE)).value
    (pause,) = pauses.seconds
    assert 4 <= pause <= 4.4


async def test_server_faults_are_tried_three_times_with_growing_pauses(
    open_with: OpenAccounts,
    entra: EntraServer,
    stored_secret: str,
    pauses: Pauses,
    clock: StoppedClock,
) -> None:
    entra.faults.answers.add(Fault(status=503, times=3))
    tokens = open_with().tokens
    with pytest.raises(CredentialUnavailableError, match="AADSTS90033") as caught:
        await tokens.token(SCOPE)
    assert caught.value.retry_after is None
    first, second = pauses.seconds
    assert 0.5 <= first <= 1 <= second <= 2
    assert len(entra.audit) == 3
    clock.advance(seconds=6)
    assert (await tokens.token(SCOPE)).value


async def test_a_broken_connection_is_tried_again(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, pauses: Pauses
) -> None:
    entra.faults.answers.add(Fault(action="disconnect"))
    assert (await open_with().tokens.token(SCOPE)).value
    assert len(pauses.seconds) == 1


async def test_a_refusal_is_not_tried_again(
    open_with: OpenAccounts, entra: EntraServer, stored_secret: str, pauses: Pauses
) -> None:
    with pytest.raises(CredentialError, match="AADSTS500011"):
        await open_with().tokens.token("https://nowhere.contoso.test/.default")
    assert pauses.seconds == []


@pytest.mark.parametrize(
    ("change", "code", "fix"),
    [
        ({"MAILROOM_TENANT_ID": "nowhere.test"}, "AADSTS90002", "MAILROOM_TENANT_ID"),
        (
            {"MAILROOM_CLIENT_ID": "99999999-9999-9999-9999-999999999999"},
            "AADSTS700016",
            "MAILROOM_CLIENT_ID",
        ),
        ({"MAILROOM_AUTHORITY": "https://localhost:9"}, "entra_unreachable", "MAILROOM_AUTHORITY"),
    ],
)
async def test_wrong_settings_are_named(
    open_with: OpenAccounts, stored_secret: str, change: dict[str, str], code: str, fix: str
) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(CredentialError) as caught:
            await open_with(**change).tokens.token(SCOPE)
    assert caught.value.code == code
    assert fix in caught.value.fix


async def test_an_address_that_is_no_entra_is_told_so(
    open_with: OpenAccounts, vault: KeyVaultServer, stored_secret: str
) -> None:
    with pytest.raises(CredentialError) as caught:
        await open_with(MAILROOM_AUTHORITY=vault.url).tokens.token(SCOPE)
    assert "MAILROOM_AUTHORITY" in caught.value.fix or "login.microsoftonline" in caught.value.fix


async def test_a_scope_that_is_not_the_apps_is_told_so(
    open_with: OpenAccounts, stored_secret: str
) -> None:
    with pytest.raises(CredentialError, match="AADSTS1002012") as caught:
        await open_with().tokens.token("https://outlook.office.com/SMTP.Send")
    assert "/.default" in caught.value.fix


async def test_a_missing_federated_credential_is_told_in_full(
    open_with: OpenAccounts, directory: Directory
) -> None:
    directory.change_app(APP_CLIENT_ID, federated_credentials=())
    with pytest.raises(CredentialError, match="no federated credential") as caught:
        await open_with("federated").tokens.token(SCOPE)
    assert "object (principal) id" in caught.value.fix
    assert "api://AzureADTokenExchange" in caught.value.fix


async def test_each_audience_has_a_token_of_its_own(
    open_with: OpenAccounts, entra: EntraServer, vault: KeyVaultServer
) -> None:
    """Sending and reading by IMAP share theirs; Graph's is another, and neither disturbs it."""
    vault.store.set(SECRET_NAME, entra.directory.add_secret(APP_CLIENT_ID).value)
    tokens = open_with("secret").tokens
    exchange = await tokens.token("https://outlook.office365.com/.default")
    graph = await tokens.token("https://graph.microsoft.com/.default")
    audiences = [entra.keys.verify(one.value)["aud"] for one in (exchange, graph)]
    assert audiences == ["https://outlook.office365.com", "https://graph.microsoft.com"]
    newer = await tokens.token("https://graph.microsoft.com/.default", rejected=graph)
    assert newer.value != graph.value
    assert await tokens.token("https://outlook.office365.com/.default") == exchange
