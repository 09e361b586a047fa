"""Entra ID for one machine: a tenant's registry, its token endpoint and its tokens."""

from local.entra.directory import (
    EXCHANGE,
    GRAPH,
    KEY_VAULT,
    RESOURCES,
    STORAGE,
    TOKEN_EXCHANGE_AUDIENCE,
    App,
    ClientCertificate,
    ClientSecret,
    Directory,
    FederatedCredential,
    Resource,
    User,
)
from local.entra.errors import EntraError
from local.entra.keys import SigningKeys
from local.entra.server import EntraServer
from local.entra.tokens import AccessToken, TokenFaults, TokenIssuer

__all__ = [
    "EXCHANGE",
    "GRAPH",
    "KEY_VAULT",
    "RESOURCES",
    "STORAGE",
    "TOKEN_EXCHANGE_AUDIENCE",
    "AccessToken",
    "App",
    "ClientCertificate",
    "ClientSecret",
    "Directory",
    "EntraError",
    "EntraServer",
    "FederatedCredential",
    "Resource",
    "SigningKeys",
    "TokenFaults",
    "TokenIssuer",
    "User",
]
