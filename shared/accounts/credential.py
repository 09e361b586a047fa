"""How the app proves to Entra ID who it is, in the form that MSAL takes."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shared.accounts.identity import AzureIdentity
from shared.accounts.keyvault import KeyVault, Secret
from shared.errors import CredentialError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

# learn.microsoft.com/entra/workload-id/, page
# workload-identity-federation-config-app-trust-managed-identity.
_EXCHANGE_SCOPE = "api://AzureADTokenExchange/.default"
_CERTIFICATE_FIX = (
    "Store the certificate with its private key, PEM or PFX without password, as Key Vault keeps "
    "its own certificates (the certificate's name is the secret's name)."
)

type ClientCredential = str | dict[str, str | Callable[[], str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """MSAL's `client_credential`, and the version of the secret that it was made from."""

    client_credential: ClientCredential = field(repr=False)
    secret: Secret | None = None


class ProofSource(Protocol):
    """Where proofs come from. Both methods raise CredentialError."""

    async def current(self) -> Proof: ...

    async def newer(self, refused: Proof) -> Proof | None:
        """Another proof than the one that Entra refused; None if there is none."""
        ...


class StoredProofs:
    """A client secret or certificate that Key Vault keeps.

    read: makes MSAL's credential from the secret; its result is kept for each version.
    """

    def __init__(
        self, vault: KeyVault, name: str, read: Callable[[Secret], ClientCredential]
    ) -> None:
        self._vault = vault
        self._name = name
        self._read = read
        self._made: Proof | None = None

    async def current(self) -> Proof:
        return self._make(await self._vault.secret(self._name))

    async def newer(self, refused: Proof) -> Proof | None:
        if refused.secret is None:
            return None
        secret = await self._vault.refresh(self._name, refused.secret)
        return None if secret.version == refused.secret.version else self._make(secret)

    def _make(self, secret: Secret) -> Proof:
        if self._made is None or self._made.secret != secret:
            self._made = Proof(self._read(secret), secret)
        return self._made


class FederatedProofs:
    """The managed identity's own token as the client assertion: no secret at all.

    MSAL calls for the assertion from its thread; it is fetched beforehand, so that the thread
    never waits for this loop.
    """

    def __init__(self, identity: AzureIdentity) -> None:
        self._identity = identity

    async def current(self) -> Proof:
        assertion = (await self._identity.get_token(_EXCHANGE_SCOPE)).token
        return Proof({"client_assertion": lambda: assertion})

    async def newer(self, refused: Proof) -> Proof | None:  # noqa: ARG002 - the Protocol's shape
        return None


def read_client_secret(secret: Secret) -> str:
    """A client secret, without the line end that files bring along."""
    value = secret.value.strip()
    if not value or "-----BEGIN" in value:
        raise CredentialError(
            f"The Key Vault secret {secret.name} holds no client secret.",
            fix="Store the client secret's Value, or set MAILROOM_CREDENTIAL=certificate if it "
            "holds a certificate.",
            code="not_a_client_secret",
        )
    return value


def read_certificate(secret: Secret) -> ClientCredential:
    """A certificate with its key: PEM, or PFX in base64 as Key Vault keeps certificates.

    MSAL makes the SHA-256 thumbprint (`x5t#S256`, PS256) from `public_certificate` and sends the
    certificate along (`x5c`), which also serves subject name and issuer authentication.
    """
    value = secret.value.strip()
    try:
        key, certificates = _read_pem(value) if "-----BEGIN" in value else _read_pfx(value)
        leaf = _own_certificate(key, certificates)
    except (ValueError, TypeError) as error:
        reason = str(error) if isinstance(error, _UnusableCertificateError) else "it is unreadable."
    else:
        return {"private_key": _key_pem(key), "public_certificate": _certificate_pem(leaf)}
    # Raised here: the parser's error may quote what it read.
    raise CredentialError(
        f"The Key Vault secret {secret.name} holds no usable certificate: {reason}",
        fix=_CERTIFICATE_FIX,
        code="not_a_certificate",
    )


class _UnusableCertificateError(ValueError):
    """Why a certificate cannot be used, in words that hold nothing of it."""


def _read_pem(text: str) -> "tuple[RSAPrivateKey, Sequence[Certificate]]":
    from cryptography import x509  # noqa: PLC0415 - for certificates alone
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    found = re.search(
        r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", text, re.DOTALL
    )
    if found is None:
        raise _UnusableCertificateError("the private key is missing.")
    if found[1].startswith("ENCRYPTED") or "Proc-Type: 4,ENCRYPTED" in found[0]:
        raise _UnusableCertificateError("its private key is encrypted.")
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise _UnusableCertificateError("the certificate itself is missing, there is only a key.")
    key = serialization.load_pem_private_key(found[0].encode(), password=None)
    return _rsa(key), x509.load_pem_x509_certificates(text.encode())


def _read_pfx(text: str) -> "tuple[RSAPrivateKey, Sequence[Certificate]]":
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415

    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        data = b""
    if not data:
        raise _UnusableCertificateError("it is neither PEM nor base64.")
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, None)
    except ValueError:
        key = leaf = None
        others = []
    if key is None or leaf is None:
        raise _UnusableCertificateError("it is no PFX with key and certificate, or has a password.")
    return _rsa(key), [leaf, *others]


def _rsa(key: object) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    if not isinstance(key, RSAPrivateKey):
        raise _UnusableCertificateError("its key is not RSA, which Entra ID asks for.")
    return key


def _own_certificate(key: "RSAPrivateKey", certificates: "Sequence[Certificate]") -> "Certificate":
    """The certificate of the key itself, wherever in the chain it stands."""
    for certificate in certificates:
        if certificate.public_key() == key.public_key():
            return certificate
    raise _UnusableCertificateError("its certificate does not belong to its key.")


def _key_pem(key: "RSAPrivateKey") -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _certificate_pem(certificate: "Certificate") -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    return certificate.public_bytes(serialization.Encoding.PEM).decode()
