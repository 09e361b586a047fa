"""The identity that Mailroom runs as: whom Key Vault and Storage know it by."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from shared.accounts.flights import Flights
from shared.errors import CredentialError, CredentialUnavailableError
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

# The SDK's own defaults wait for minutes where no endpoint answers.
_BOUNDS: dict[str, Any] = {
    "retry_total": 2,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 2,
    "connection_timeout": 2,
    "read_timeout": 5,
}
_LONGEST = 9.0
_BAD_REQUEST = (400, 404)
_DENIED = (401, 403)
_TOO_MANY = 429
_SERVER_FAULT = 500


class AzureIdentity:
    """The managed identity, or the developer signed in on this machine.

    An asynchronous credential of the Azure SDK (`AsyncTokenCredential`) whose failures are our
    errors. azure-identity costs half a second at import: it is opened with the first token.
    """

    def __init__(self, settings: Settings) -> None:
        self._developer = settings.identity == "developer"
        self._client_id = settings.identity_client_id
        self._flights = Flights()
        self._opened: Any = None

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        **options: Any,
    ) -> "AccessToken":
        """A token for the scopes, from the SDK's cache while it lasts.

        Raises CredentialError, or CredentialUnavailableError where a later try may succeed.
        """

        async def ask() -> "AccessToken":
            token: AccessToken = await self._open().get_token(
                *scopes, claims=claims, tenant_id=tenant_id, **options
            )
            return token

        key = ("token", scopes, claims, tenant_id, repr(options))
        return await self._flights.join(key, lambda: self._translate(ask))

    async def get_token_info(
        self, *scopes: str, options: "TokenRequestOptions | None" = None
    ) -> "AccessTokenInfo":
        """As `get_token`, in the form that newer clients of the SDK ask for."""

        async def ask() -> "AccessTokenInfo":
            info: AccessTokenInfo = await self._open().get_token_info(*scopes, options=options)
            return info

        return await self._flights.join(
            ("info", scopes, repr(options)), lambda: self._translate(ask)
        )

    async def close(self) -> None:
        await self._flights.aclose()
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _open(self) -> Any:
        if self._opened is None:
            from azure.identity.aio import (  # noqa: PLC0415
                DefaultAzureCredential,
                ManagedIdentityCredential,
            )

            if self._developer:
                self._opened = DefaultAzureCredential(
                    exclude_managed_identity_credential=True, **_BOUNDS
                )
            else:
                self._opened = ManagedIdentityCredential(
                    client_id=self._client_id or None, **_BOUNDS
                )
        return self._opened

    async def _translate[T](self, ask: Callable[[], Any]) -> T:
        from azure.core.exceptions import AzureError  # noqa: PLC0415

        try:
            async with asyncio.timeout(_LONGEST):
                token: T = await ask()
                return token
        except TimeoutError:
            failure: CredentialError = self._away(
                f"It did not answer within {_LONGEST:.0f} seconds."
            )
        except AzureError as error:
            failure = self._read(error)
        # Raised here, so that the SDK's error with its request is no part of ours.
        raise failure

    def _read(self, error: Exception) -> CredentialError:
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415

        status = getattr(error, "status_code", None)
        if not isinstance(error, ClientAuthenticationError):
            return self._away(f"{type(error).__name__}.")
        if self._developer:
            return CredentialError(
                "Nobody is signed in to Azure on this machine.",
                fix="Run `az login` (or sign in in VS Code), or set MAILROOM_IDENTITY=managed.",
                code="no_developer",
            )
        if status is None:
            return CredentialError(
                "There is no managed identity here: the app has no identity endpoint.",
                fix="Assign a managed identity to the function app; on a developer's machine set "
                "MAILROOM_IDENTITY=developer.",
                code="no_identity",
            )
        if status == _TOO_MANY or status >= _SERVER_FAULT:
            return self._away(f"It answered {status}.")
        return self._refused(status)

    def _refused(self, status: int) -> CredentialError:
        if status in _DENIED:
            return CredentialError(
                f"The managed identity endpoint refused the app ({status}).",
                fix="Restart the function app: IDENTITY_HEADER does not fit IDENTITY_ENDPOINT.",
                code="identity_refused",
            )
        if status in _BAD_REQUEST and self._client_id:
            return CredentialError(
                f"No identity with the client id {self._client_id} is assigned to the app.",
                fix="Set MAILROOM_IDENTITY_CLIENT_ID to the client id (not the object id) of a "
                "user-assigned identity and assign that identity to the function app.",
                code="identity_not_assigned",
            )
        return CredentialError(
            f"The function app has no system-assigned managed identity (answer {status}).",
            fix="Switch it on, or set MAILROOM_IDENTITY_CLIENT_ID to the client id of the "
            "user-assigned one.",
            code="no_identity",
        )

    def _away(self, what: str) -> CredentialUnavailableError:
        if self._developer:
            detail = f"No token of the signed-in developer can be had. {what}"
            fix = "Check the network and `az account get-access-token`."
        else:
            detail = f"The managed identity endpoint cannot be used. {what}"
            fix = "Mailroom tries again by itself; restart the function app if it lasts."
        return CredentialUnavailableError(detail, fix=fix, code="identity_unavailable")


def azure_credential(settings: Settings) -> AzureIdentity:
    """The one credential of this process for Key Vault and Storage; `close` it at the end."""
    return AzureIdentity(settings)
