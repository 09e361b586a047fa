"""The token endpoint's grants: client_credentials, refresh_token and device_code.

Sources: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
v2-oauth2-device-code and refresh-tokens.
"""

import base64
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from local.entra.clients import ClientCheck
from local.entra.directory import App, Directory, User
from local.entra.errors import EntraError
from local.entra.scopes import RequestedScopes, read_app_scope, read_delegated_scope
from local.entra.sessions import DeviceLogin, DeviceLogins, RefreshTokens
from local.entra.tokens import AccessToken, TokenIssuer

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = frozenset({"client_credentials", "refresh_token", DEVICE_CODE_GRANT, "device_code"})


class TokenGrants:
    """Answers token requests: a form in, the JSON of a token out, or an EntraError."""

    def __init__(
        self,
        directory: Directory,
        tokens: TokenIssuer,
        refresh_tokens: RefreshTokens,
        device_logins: DeviceLogins,
    ) -> None:
        self.directory = directory
        self.refresh_tokens = refresh_tokens
        self.device_logins = device_logins
        self._tokens = tokens
        self._clients = ClientCheck(directory, tokens)

    def answer(
        self, form: Mapping[str, str], *, tenant: str, audiences: Collection[str], now: datetime
    ) -> dict[str, Any]:
        """The answer to a token request at a tenant's endpoint, known by the names `audiences`."""
        if not self.directory.is_tenant(tenant):
            raise EntraError(90002, tenant=tenant)
        grant = form.get("grant_type")
        if not grant:
            raise EntraError(900144, parameter="grant_type")
        if grant not in GRANTS:
            raise EntraError(70003, grant=grant)
        app = self._clients.find(form, tenant)
        authentication = self._clients.authenticate(
            app,
            form,
            audiences=audiences,
            now=now,
            public_allowed=grant != "client_credentials",
        )
        if grant == "client_credentials":
            return self._client_credentials(app, form, authentication)
        if grant == "refresh_token":
            return self._refresh_token(app, form, authentication, now)
        return self._device_code(app, form, authentication, now)

    def begin_device_login(
        self, form: Mapping[str, str], *, tenant: str, now: datetime
    ) -> DeviceLogin:
        """Start a sign-in by device code; raises EntraError for an unknown client or scope."""
        if not self.directory.is_tenant(tenant):
            raise EntraError(90002, tenant=tenant)
        app = self._clients.find(form, tenant)
        read_delegated_scope(self.directory, form.get("scope"))
        return self.device_logins.begin(app.client_id, form["scope"], now)

    def approve(self, login: DeviceLogin, upn: str) -> None:
        """Let a user sign in and, where users may, consent to what is asked."""
        user = self._find_user(upn)
        app = self.directory.app(login.client_id)
        scopes = read_delegated_scope(self.directory, login.scope)
        if self.directory.user_consent:
            self.directory.consent(app, user, scopes.resource, scopes.permissions)
        login.upn = user.upn
        login.state = "approved"

    def _client_credentials(
        self, app: App, form: Mapping[str, str], authentication: str
    ) -> dict[str, Any]:
        scopes = read_app_scope(self.directory, form.get("scope"))
        roles = app.application_permissions.get(scopes.resource.app_id, frozenset())
        resource = scopes.resource
        token = self._tokens.issue_to_app(
            app,
            scopes.audience if resource.token_version == 1 else resource.app_id,
            roles,
            authentication=authentication,
            version=resource.token_version,
        )
        return _bearer(token)

    def _refresh_token(
        self, app: App, form: Mapping[str, str], authentication: str, now: datetime
    ) -> dict[str, Any]:
        presented = form.get("refresh_token")
        if not presented:
            raise EntraError(900144, parameter="refresh_token")
        grant = self.refresh_tokens.redeem(presented, app.client_id, now)
        user = self._find_user(grant.upn)
        # Without a scope the grant's own is meant (RFC 6749 section 6).
        wanted = form.get("scope") or " ".join(grant.scopes)
        scopes = read_delegated_scope(self.directory, wanted)
        answer = self._delegated(app, user, scopes, authentication)
        kept = frozenset(grant.scopes) | scopes.requested
        answer["refresh_token"] = self.refresh_tokens.issue(app.client_id, user, kept, now)
        self.refresh_tokens.supersede(grant, now)
        return answer

    def _device_code(
        self, app: App, form: Mapping[str, str], authentication: str, now: datetime
    ) -> dict[str, Any]:
        code = form.get("device_code")
        if not code:
            raise EntraError(900144, parameter="device_code")
        login = self.device_logins.redeem(code, app.client_id, now)
        user = self._find_user(login.upn or "")
        scopes = read_delegated_scope(self.directory, login.scope)
        answer = self._delegated(app, user, scopes, authentication)
        if scopes.wants_refresh:
            answer["refresh_token"] = self.refresh_tokens.issue(
                app.client_id, user, scopes.requested, now
            )
        return answer

    def _delegated(
        self, app: App, user: User, scopes: RequestedScopes, authentication: str
    ) -> dict[str, Any]:
        consented = self.directory.consented(app, user, scopes.resource)
        granted = scopes.permissions or consented
        if not granted or not granted <= consented:
            raise EntraError(65001, app=app.client_id, name=app.name)
        token = self._tokens.issue_to_user(
            app, user, scopes.audience, granted, authentication=authentication
        )
        answer = _bearer(token)
        answer["scope"] = " ".join(
            [f"{scopes.audience}/{permission}" for permission in sorted(granted)]
        )
        if scopes.wants_identity:
            answer["id_token"] = self._tokens.issue_id_token(app, user)
            answer["client_info"] = _client_info(user, self.directory.tenant_id)
        return answer

    def _find_user(self, upn: str) -> User:
        user = self.directory.find_user(upn)
        if user is None:
            raise EntraError(50034, user=upn, tenant=self.directory.tenant_id)
        return user


def _bearer(token: AccessToken) -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "expires_in": token.expires_in,
        "ext_expires_in": token.expires_in,
        "access_token": token.value,
    }


def _client_info(user: User, tenant_id: str) -> str:
    content = json.dumps({"uid": user.object_id, "utid": tenant_id}).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
