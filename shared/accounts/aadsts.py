"""What Entra ID's error codes mean, and what an operator does about each.

Sources: learn.microsoft.com/entra/identity-platform/reference-error-codes and
learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import CredentialError, CredentialUnavailableError

# A newer version of the same Key Vault secret may be the cure.
REPLACEABLE = frozenset(
    {"AADSTS7000215", "AADSTS7000222", "AADSTS700027", "AADSTS700024", "AADSTS7000216"}
)

# A signed-in user's refresh token is of no more use: only a new sign-in helps.
SIGN_IN_AGAIN = frozenset(
    {"invalid_grant", "interaction_required"}
    | {
        f"AADSTS{number}"
        for number in (
            *(50034, 50053, 50055, 50057, 50074, 50076, 50078, 50079, 50158, 50173),
            *(65001, 70000, 70008, 70043, 700082, 53000, 53003, 9002313),
        )
    }
)

_TOO_MANY = 429
_SERVER_FAULT = 500
_RELOGIN = "Run `make login` to sign the mailbox's user in again."
_RENEW = (
    "Make a client secret in the app registration and store its Value (not its Secret ID) as a new "
    "version of the Key Vault secret that MAILROOM_CREDENTIAL_NAME names; or use "
    "MAILROOM_CREDENTIAL=federated, which needs none."
)
_FEDERATED = (
    "In the app registration add a federated credential of the kind managed identity: issuer "
    "https://login.microsoftonline.com/<tenant id>/v2.0, subject = the object (principal) id of "
    "the managed identity, audience api://AzureADTokenExchange."
)
_SCOPE = (
    "Leave MAILROOM_TOKEN_SCOPE empty, or set one resource with /.default, such as "
    "https://outlook.office365.com/.default."
)
_LATER = "Mailroom tries again by itself; see status.azure.com if it lasts."


@dataclass(frozen=True, slots=True)
class Cause:
    """Why Entra refused, and the fix. `transient`: a later try may succeed without any fix."""

    detail: str
    fix: str
    transient: bool = False


CAUSES: Mapping[int, Cause] = {
    # The app and its tenant
    700016: Cause(
        "The app is not known in this tenant.",
        "Compare MAILROOM_CLIENT_ID (Application (client) id) and MAILROOM_TENANT_ID with the app "
        "registration.",
    ),
    90002: Cause(
        "The tenant does not exist.",
        "Set MAILROOM_TENANT_ID to the Directory (tenant) id; national clouds also need "
        "MAILROOM_AUTHORITY.",
    ),
    900023: Cause(
        "The tenant id is neither an id nor a domain.",
        "Set MAILROOM_TENANT_ID to the Directory (tenant) id.",
    ),
    7000229: Cause(
        "The app has no enterprise application (service principal) in this tenant.",
        "Let an administrator grant consent once, or run `az ad sp create --id <client id>`.",
    ),
    7000112: Cause(
        "The app is disabled in this tenant.",
        "Switch on 'Enabled for users to sign in' in the enterprise application's properties.",
    ),
    # The client secret
    7000215: Cause(
        "The client secret is wrong; often its Secret ID was stored in place of its Value.",
        _RENEW,
    ),
    7000222: Cause("The client secret has expired.", _RENEW),
    7000216: Cause("The app gave no proof of who it is.", _RENEW),
    7000218: Cause(
        "The app gave no proof of who it is: for the delegated flow it must be a public client.",
        "In the app registration, under Authentication, switch on 'Allow public client flows'.",
    ),
    # Certificates and assertions
    700027: Cause(
        "The certificate that signed the request is not registered with the app, or does not fit.",
        "Upload the public part of the certificate in Key Vault to the app registration "
        "(Certificates & secrets), and mind that renewed certificates must be uploaded too.",
    ),
    700024: Cause(
        "The certificate or assertion is outside its time of validity.",
        "Renew the certificate, and check that this machine's clock is right.",
    ),
    700023: Cause(
        "The assertion was made for another tenant.",
        "Compare MAILROOM_TENANT_ID and MAILROOM_AUTHORITY with the app registration.",
    ),
    70021: Cause("No federated credential of the app fits the managed identity.", _FEDERATED),
    70025: Cause("The app has no federated credential.", _FEDERATED),
    700211: Cause("No federated credential of the app has this issuer.", _FEDERATED),
    700212: Cause("No federated credential of the app has this audience.", _FEDERATED),
    700213: Cause("No federated credential of the app has this subject.", _FEDERATED),
    50013: Cause(
        "The assertion's signature is not valid.",
        "Check the certificate in Key Vault, or the federated credential's issuer.",
    ),
    5002723: Cause(
        "The assertion is not a valid token.",
        "Check the certificate in Key Vault, or the federated credential's issuer.",
    ),
    # What is asked for
    1002012: Cause("The scope is not valid for an app: it must end in /.default.", _SCOPE),
    70011: Cause("The scope is not valid.", _SCOPE),
    28003: Cause("The scope is empty.", _SCOPE),
    500011: Cause(
        "The scope's resource does not exist in this tenant.",
        "Check MAILROOM_TOKEN_SCOPE, and that the tenant has Exchange Online.",
    ),
    65001: Cause(
        "Nobody has consented to what the app asks for.",
        "Let an administrator grant admin consent: SMTP.Send (delegated) or SMTP.SendAsApp of "
        "Office 365 Exchange Online, not of Microsoft Graph.",
    ),
    50105: Cause(
        "The user is not assigned to the app.",
        "Assign the user in the enterprise application, or switch off 'Assignment required'.",
    ),
    # Signed-in users
    700082: Cause("The sign-in has expired: it was not used for 90 days.", _RELOGIN),
    70008: Cause("The sign-in has expired.", _RELOGIN),
    70043: Cause("The sign-in has expired by the sign-in frequency policy.", _RELOGIN),
    9002313: Cause("The stored sign-in is damaged.", _RELOGIN),
    70000: Cause("The sign-in is not valid any more.", _RELOGIN),
    50173: Cause("The sign-in was revoked, for instance by a new password.", _RELOGIN),
    50078: Cause("Multi-factor authentication has expired.", _RELOGIN),
    50074: Cause("Multi-factor authentication is asked for.", _RELOGIN),
    50076: Cause("Multi-factor authentication is asked for.", _RELOGIN),
    50079: Cause("The user must register for multi-factor authentication.", _RELOGIN),
    50158: Cause("A policy asks for a further check of the user.", _RELOGIN),
    53000: Cause(
        "Conditional access asks for a compliant device.",
        "Exclude the app or the user from the policy, or use an app credential.",
    ),
    53003: Cause(
        "Conditional access blocks this sign-in.",
        "Read the policy's name in Entra's sign-in log and exclude the app or user from it.",
    ),
    50034: Cause("The user does not exist in this tenant.", _RELOGIN),
    50055: Cause("The user's password has expired.", "Set a new password, then run `make login`."),
    50057: Cause("The user's account is disabled.", "Enable it, then run `make login`."),
    50053: Cause("The user's account is locked, or the address is blocked.", _RELOGIN),
    # The device code of `make login`
    70016: Cause("The code was not entered in time.", "Run `make login` again."),
    70020: Cause("The code has expired.", "Run `make login` again."),
    65004: Cause("The user declined.", "Run `make login` again, and accept what is asked for."),
    # Trouble at Entra itself
    50000: Cause("Entra ID could not issue a token.", _LATER, transient=True),
    50196: Cause("Entra ID saw the same request too often.", _LATER, transient=True),
    90006: Cause("Entra ID has trouble with another service.", _LATER, transient=True),
    90024: Cause("Entra ID is over its budget for this request.", _LATER, transient=True),
    90033: Cause("Entra ID has trouble for the moment.", _LATER, transient=True),
    90055: Cause("Entra ID throttles this tenant.", _LATER, transient=True),
}


def read_refusal(
    body: Mapping[str, Any], *, status: int, retry_after: float | None = None
) -> CredentialError:
    """Turns an OAuth error answer of Entra (RFC 6749 section 5.2) into our error.

    body: the answer's JSON, {} if it was none. status: of HTTP. retry_after: seconds, if given.
    """
    description = str(body.get("error_description") or "")
    number = _number(body, description)
    cause = CAUSES.get(number) if number is not None else None
    code = f"AADSTS{number}" if number is not None else str(body.get("error") or f"HTTP {status}")
    transient = cause.transient if cause else body.get("error") == "temporarily_unavailable"
    if cause is None:
        said = _first_sentence(description) or "It gave no reason."
        cause = Cause(f"Entra ID refused the token: {said}", _advice(body))
    detail = f"{code}: {cause.detail}{_support_ids(body)}"
    if transient or status == _TOO_MANY or status >= _SERVER_FAULT:
        fix = cause.fix if transient else _LATER
        return CredentialUnavailableError(detail, fix=fix, code=code, retry_after=retry_after)
    return CredentialError(detail, fix=cause.fix, code=code)


def _number(body: Mapping[str, Any], description: str) -> int | None:
    match = re.match(r"\s*AADSTS(\d+)", description)
    if match:
        return int(match[1])
    codes = body.get("error_codes")
    return codes[0] if isinstance(codes, list) and codes and isinstance(codes[0], int) else None


def _first_sentence(description: str) -> str:
    """Entra's own words, cut short; whatever could be a secret or a token is left out."""
    text = re.sub(r"^\s*AADSTS\d+:\s*", "", description)
    text = re.split(r"(?<=[.!?])\s|[\r\n]", text, maxsplit=1)[0]
    return re.sub(r"[A-Za-z0-9+/_=.~-]{40,}", "…", text)[:200].strip()


def _advice(body: Mapping[str, Any]) -> str:
    if body.get("error") == "invalid_grant":
        return _RELOGIN
    return "Look the code up at https://login.microsoftonline.com/error."


def _support_ids(body: Mapping[str, Any]) -> str:
    """The ids that Microsoft's support and the sign-in log go by."""
    ids = [
        f"{label} {value}"
        for label, key in (("correlation", "correlation_id"), ("trace", "trace_id"))
        if re.fullmatch(r"[0-9A-Fa-f-]{32,36}", value := str(body.get(key) or ""))
    ]
    return f" ({', '.join(ids)})" if ids else ""
