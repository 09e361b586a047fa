"""What Key Vault's refusals mean, and what an operator does about each.

Source: learn.microsoft.com/azure/key-vault/general/rest-error-codes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import CredentialError, CredentialUnavailableError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

_TOO_MANY = 429
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class _Cause:
    """One row of the table: HTTP status and, where it decides, Key Vault's own inner code."""

    status: int
    reason: str
    code: str
    detail: str
    fix: str


_ROLE_FIX = (
    "Assign the role {role} on the vault to the function app's managed identity (it takes minutes "
    "to work), and check that the vault is of this tenant."
)

# The first row that fits.
_CAUSES = (
    _Cause(
        404,
        "",
        "secret_not_found",
        "There is no secret {name} in the Key Vault {url}.",
        "Create it, or set MAILROOM_CREDENTIAL_NAME (for the key that signs marks in mail: "
        "MAILROOM_SIGNING_KEY_NAME) to the name of the one to use.",
    ),
    _Cause(
        403,
        "SecretDisabled",
        "secret_disabled",
        "The secret {name} in the Key Vault {url} is disabled.",
        "Enable its newest version.",
    ),
    _Cause(
        403,
        "ForbiddenByFirewall",
        "key_vault_firewall",
        "The firewall of the Key Vault {url} keeps the app out.",
        "Let the app's network in, or give the vault a private endpoint.",
    ),
    _Cause(
        401,
        "",
        "key_vault_denied",
        "The Key Vault {url} does not accept the app's identity (401).",
        _ROLE_FIX,
    ),
    _Cause(
        403, "", "key_vault_denied", "The Key Vault {url} refuses the app's identity.", _ROLE_FIX
    ),
    _Cause(
        409,
        "",
        "secret_deleted",
        "The secret {name} was deleted from the Key Vault {url}, which still keeps it.",
        "Recover or purge the deleted secret.",
    ),
)


def read_vault_refusal(
    error: "HttpResponseError", *, url: str, name: str, role: str
) -> CredentialError:
    """Turns an error answer of Key Vault into ours. role: what the request would have needed."""
    status = error.status_code or 0
    if status == _TOO_MANY or status >= _SERVER_FAULT:
        return vault_away(url, f"answer {status}")
    reasons = _reasons(error) | {""}
    for cause in _CAUSES:
        if cause.status == status and cause.reason in reasons:
            return CredentialError(
                cause.detail.format(name=name, url=url),
                fix=cause.fix.format(role=role),
                code=cause.code,
            )
    return CredentialError(
        f"The Key Vault {url} refuses the request for {name} ({status}).",
        fix="Check MAILROOM_KEY_VAULT_URL and MAILROOM_CREDENTIAL_NAME (letters, digits, -).",
        code="key_vault_refused",
    )


def vault_away(url: str, what: str) -> CredentialUnavailableError:
    """The error for a vault that does not answer, or not now."""
    return CredentialUnavailableError(
        f"The Key Vault {url} cannot be used: {what}.",
        fix="Check MAILROOM_KEY_VAULT_URL and the network. Mailroom tries again by itself.",
        code="key_vault_unavailable",
    )


def _reasons(error: "HttpResponseError") -> set[str]:
    """The codes of Key Vault's error answer, the inner ones too; never its text."""
    body: Any = getattr(error, "error", None)
    codes = {str(getattr(body, "code", ""))}
    inner = getattr(body, "innererror", None)
    while isinstance(inner, dict):
        codes.add(str(inner.get("code", "")))
        inner = inner.get("innererror")
    return codes
