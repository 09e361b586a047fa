"""What a tenant knows: resources, applications with their credentials and grants, users.

Records are frozen; the registry changes at run time by replacing them, as an administrator would.
"""

import base64
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from local.web import utc_now

TOKEN_EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class Resource:
    """An API that tokens are issued for, known by its application id and identifier URIs.

    `token_version` is what its registration asks for: 2 has the application id as audience.
    """

    app_id: str
    name: str
    uris: tuple[str, ...]
    token_version: int = 1


EXCHANGE = Resource(
    "00000002-0000-0ff1-ce00-000000000000",
    "Office 365 Exchange Online",
    ("https://outlook.office365.com", "https://outlook.office.com"),
)
GRAPH = Resource(
    "00000003-0000-0000-c000-000000000000", "Microsoft Graph", ("https://graph.microsoft.com",)
)
KEY_VAULT = Resource(
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault", ("https://vault.azure.net",)
)
STORAGE = Resource(
    "e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage", ("https://storage.azure.com",)
)
TOKEN_EXCHANGE = Resource(
    "fb60f99c-7a34-4190-8149-302f77469936",
    "AAD Token Exchange Endpoint",
    (TOKEN_EXCHANGE_AUDIENCE,),
)
RESOURCES = (EXCHANGE, GRAPH, KEY_VAULT, STORAGE, TOKEN_EXCHANGE)


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret: its id (shown in the portal), its value (shown once) and its end."""

    key_id: str
    expires_at: datetime
    value: str = field(repr=False)

    def matches(self, candidate: str) -> bool:
        return hmac.compare_digest(self.value.encode(), candidate.encode())


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A registered certificate; thumbprints are base64url without padding, as in a JWT header."""

    certificate: x509.Certificate

    @classmethod
    def from_pem(cls, pem: str | bytes) -> "ClientCertificate":
        data = pem.encode() if isinstance(pem, str) else pem
        return cls(x509.load_pem_x509_certificate(data))

    @property
    def sha1(self) -> str:
        return _base64url(self.certificate.fingerprint(hashes.SHA1()))  # x5t is SHA-1, by RFC 7515

    @property
    def sha256(self) -> str:
        return _base64url(self.certificate.fingerprint(hashes.SHA256()))


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Whose tokens an application accepts as its own client assertion."""

    name: str
    issuer: str
    subject: str
    audience: str = TOKEN_EXCHANGE_AUDIENCE


@dataclass(frozen=True, slots=True)
class App:
    """An app registration and its enterprise application in the tenant.

    `object_id` is the enterprise application's (the `oid` of its tokens), `registration_id` the app
    registration's. `application_permissions` and `delegated_permissions` map a resource's
    application id to what an administrator consented to. `extra_claims` are a claims mapping
    policy: further claims of every access token.
    """

    client_id: str
    name: str
    object_id: str
    registration_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secrets: tuple[ClientSecret, ...] = ()
    certificates: tuple[ClientCertificate, ...] = ()
    federated_credentials: tuple[FederatedCredential, ...] = ()
    application_permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    delegated_permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    extra_claims: Mapping[str, Any] = field(default_factory=dict)
    public_client: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """A person or shared mailbox who can sign in."""

    upn: str
    object_id: str
    name: str


class Directory:
    """One tenant's registry. `user_consent` says whether users may consent for themselves."""

    def __init__(
        self,
        tenant_id: str,
        domains: Iterable[str] = (),
        *,
        resources: Iterable[Resource] = RESOURCES,
        user_consent: bool = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.tenant_id = tenant_id
        self.domains = frozenset(domain.lower() for domain in domains)
        self.user_consent = user_consent
        self._clock = clock
        self._resources = {uri: resource for resource in resources for uri in resource.uris}
        self._apps: dict[str, App] = {}
        self._users: dict[str, User] = {}
        self._consents: dict[tuple[str, str, str], frozenset[str]] = {}

    def is_tenant(self, name: str) -> bool:
        """Whether a tenant id or one of the verified domains was named."""
        return name.lower() == self.tenant_id or name.lower() in self.domains

    def resource(self, uri: str) -> Resource | None:
        return self._resources.get(uri.rstrip("/"))

    # Applications

    def add_app(self, app: App) -> App:
        self._apps[app.client_id.lower()] = app
        return app

    def find_app(self, client_id: str) -> App | None:
        return self._apps.get(client_id.lower())

    def app(self, client_id: str) -> App:
        """The application; raises KeyError if there is none."""
        return self._apps[client_id.lower()]

    def change_app(self, client_id: str, **changes: Any) -> App:
        """Replace fields of an application's record."""
        return self.add_app(replace(self.app(client_id), **changes))

    def add_secret(
        self,
        client_id: str,
        *,
        life: timedelta = timedelta(days=180),
        value: str | None = None,
    ) -> ClientSecret:
        """Add a client secret, random unless its value is given, and return it."""
        secret = ClientSecret(
            key_id=str(uuid.uuid4()),
            expires_at=self._clock() + life,
            value=value or secrets.token_urlsafe(30),
        )
        self.change_app(client_id, secrets=(*self.app(client_id).secrets, secret))
        return secret

    def expire_secret(self, client_id: str, key_id: str) -> None:
        """Let a secret's life end now: it is answered with AADSTS7000222 from here on."""
        kept = tuple(
            replace(secret, expires_at=self._clock()) if secret.key_id == key_id else secret
            for secret in self.app(client_id).secrets
        )
        self.change_app(client_id, secrets=kept)

    def remove_secret(self, client_id: str, key_id: str) -> None:
        kept = tuple(s for s in self.app(client_id).secrets if s.key_id != key_id)
        self.change_app(client_id, secrets=kept)

    def add_certificate(self, client_id: str, pem: str | bytes) -> ClientCertificate:
        certificate = ClientCertificate.from_pem(pem)
        registered = self.app(client_id).certificates
        self.change_app(client_id, certificates=(*registered, certificate))
        return certificate

    def add_federated_credential(self, client_id: str, credential: FederatedCredential) -> None:
        registered = self.app(client_id).federated_credentials
        self.change_app(client_id, federated_credentials=(*registered, credential))

    def grant(self, client_id: str, resource: Resource, *roles: str) -> None:
        """Consent to application permissions (`roles` of its tokens), replacing earlier ones."""
        granted = {**self.app(client_id).application_permissions, resource.app_id: frozenset(roles)}
        self.change_app(client_id, application_permissions=granted)

    # Users and their consent

    def add_user(self, upn: str, name: str = "", object_id: str | None = None) -> User:
        user = User(upn, object_id or str(uuid.uuid4()), name or upn.partition("@")[0].title())
        self._users[upn.lower()] = user
        return user

    def find_user(self, upn: str) -> User | None:
        return self._users.get(upn.lower())

    def users(self) -> tuple[User, ...]:
        return tuple(self._users.values())

    def consent(self, app: App, user: User, resource: Resource, scopes: Iterable[str]) -> None:
        """Record what a user allows an application to do in the user's name."""
        key = (app.client_id, user.object_id, resource.app_id)
        self._consents[key] = self._consents.get(key, frozenset()) | frozenset(scopes)

    def withdraw_consent(self, app: App, user: User) -> None:
        """Forget all that a user has consented to for an application."""
        owner = (app.client_id, user.object_id)
        self._consents = {k: v for k, v in self._consents.items() if k[:2] != owner}

    def consented(self, app: App, user: User, resource: Resource) -> frozenset[str]:
        """Delegated permissions of an application for a user: the tenant's and the user's own."""
        own = self._consents.get((app.client_id, user.object_id, resource.app_id), frozenset())
        return own | app.delegated_permissions.get(resource.app_id, frozenset())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
