"""What a token request asks for: one resource, and `/.default` or named permissions of it.

Source: learn.microsoft.com/entra/identity-platform/scopes-oidc.
"""

from dataclasses import dataclass

from local.entra.directory import GRAPH, Directory, Resource
from local.entra.errors import EntraError

OPENID_SCOPES = frozenset({"openid", "profile", "offline_access", "email"})
_DEFAULT = "/.default"


@dataclass(frozen=True, slots=True)
class RequestedScopes:
    """One resource, the audience as the client spelled it, and the permissions asked for.

    `permissions` is empty for `/.default`; `requested` is the whole parameter's set.
    """

    resource: Resource
    audience: str
    permissions: frozenset[str]
    requested: frozenset[str]

    @property
    def wants_refresh(self) -> bool:
        return "offline_access" in self.requested

    @property
    def wants_identity(self) -> bool:
        return "openid" in self.requested


def read_app_scope(directory: Directory, scope: str | None) -> RequestedScopes:
    """The scope of a client_credentials request: a single `{resource}/.default`."""
    scopes = _split(scope)
    if len(scopes) != 1:
        raise EntraError(70011, scope=scope)
    (only,) = scopes
    if not only.endswith(_DEFAULT):
        raise EntraError(1002012, scope=only)
    audience = only.removesuffix(_DEFAULT)
    resource = _find(directory, audience)
    return RequestedScopes(resource, audience, frozenset(), frozenset({only}))


def read_delegated_scope(directory: Directory, scope: str | None) -> RequestedScopes:
    """The scope of a user's request: permissions of one resource, or its `/.default`.

    A permission without a resource is Microsoft Graph's.
    """
    scopes = _split(scope)
    asked: dict[str, set[str]] = {}
    for item in scopes - OPENID_SCOPES:
        audience, slash, permission = item.rpartition("/")
        if not permission:
            raise EntraError(70011, scope=item)
        asked.setdefault(audience if slash else GRAPH.uris[0], set()).add(permission)
    if len({uri.rstrip("/") for uri in asked}) > 1:
        raise EntraError(28000, scope=scope)
    audience, permissions = next(iter(asked.items()), (GRAPH.uris[0], {"User.Read"}))
    if ".default" in permissions and len(permissions) > 1:
        raise EntraError(70011, scope=scope)
    resource = _find(directory, audience)
    return RequestedScopes(resource, audience, frozenset(permissions - {".default"}), scopes)


def _split(scope: str | None) -> frozenset[str]:
    if not scope or not scope.strip():
        raise EntraError(900144, parameter="scope")
    return frozenset(scope.split())


def _find(directory: Directory, audience: str) -> Resource:
    resource = directory.resource(audience)
    if resource is None:
        raise EntraError(500011, resource=audience, tenant=directory.tenant_id)
    return resource
