"""Entra ID's token errors: the AADSTS codes, with their OAuth error and HTTP status.

Source: learn.microsoft.com/entra/identity-platform/reference-error-codes and RFC 6749 section 5.2.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """The OAuth `error`, the HTTP status and the text of one AADSTS code."""

    error: str
    status: int
    text: str


_FEDERATED = (
    "Check your federated identity credential Subject, Audience and Issuer against the presented "
    "assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
)

KINDS: dict[int, ErrorKind] = {
    50000: ErrorKind("server_error", 500, "There was an error issuing a token."),
    50034: ErrorKind(
        "invalid_grant", 400, "The user account {user} does not exist in the {tenant} directory."
    ),
    50166: ErrorKind("invalid_client", 401, "Request to External OIDC endpoint {issuer} failed."),
    50173: ErrorKind(
        "invalid_grant",
        400,
        "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
    ),
    65001: ErrorKind(
        "invalid_grant",
        400,
        "The user or administrator has not consented to use the application with ID '{app}' named "
        "'{name}'. Send an interactive authorization request for this user and resource.",
    ),
    65004: ErrorKind("authorization_declined", 400, "User declined to consent to access the app."),
    70003: ErrorKind(
        "unsupported_grant_type", 400, "The app requested an unsupported grant type '{grant}'."
    ),
    70008: ErrorKind(
        "invalid_grant",
        400,
        "The provided authorization code or refresh token has expired due to inactivity. Send a "
        "new interactive authorization request for this user and resource.",
    ),
    70011: ErrorKind(
        "invalid_scope",
        400,
        "The provided request must include a 'scope' input parameter. The provided value for the "
        "input parameter 'scope' is not valid. The scope {scope} is not valid.",
    ),
    70016: ErrorKind(
        "authorization_pending",
        400,
        "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
    ),
    70018: ErrorKind("bad_verification_code", 400, "Invalid verification code."),
    70020: ErrorKind(
        "expired_token",
        400,
        "The provided value for the input parameter 'device_code' is not valid. This device code "
        "has expired.",
    ),
    70021: ErrorKind(
        "invalid_client",
        401,
        "No matching federated identity record found for presented assertion. Assertion Issuer: "
        "'{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'. "
        + _FEDERATED,
    ),
    70025: ErrorKind(
        "invalid_client",
        401,
        "The client '{app}'({name}) has no configured federated identity credentials.",
    ),
    90002: ErrorKind(
        "invalid_request",
        400,
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are "
        "signing into the correct cloud.",
    ),
    90033: ErrorKind("temporarily_unavailable", 503, "A transient error has occurred. Try again."),
    90055: ErrorKind("temporarily_unavailable", 429, "There are too many incoming requests."),
    28000: ErrorKind(
        "invalid_scope",
        400,
        "Provided value for the input parameter scope is not valid because it contains more than "
        "one resource. Scope {scope} is not valid.",
    ),
    500011: ErrorKind(
        "invalid_resource",
        400,
        "The resource principal named {resource} was not found in the tenant named {tenant}. This "
        "can happen if the application has not been installed by the administrator of the tenant "
        "or consented to by any user in the tenant.",
    ),
    700016: ErrorKind(
        "unauthorized_client",
        400,
        "Application with identifier '{app}' was not found in the directory '{tenant}'. This can "
        "happen if the application has not been installed by the administrator of the tenant or "
        "consented to by any user in the tenant. You may have sent your authentication request to "
        "the wrong tenant.",
    ),
    700021: ErrorKind(
        "invalid_client",
        401,
        "Client assertion application identifier doesn't match 'client_id' parameter.",
    ),
    700023: ErrorKind(
        "invalid_client", 401, "Client assertion audience claim does not match Realm issuer."
    ),
    700024: ErrorKind(
        "invalid_client",
        401,
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid "
        "from {valid_from}, expiry time of assertion {expires}.",
    ),
    700025: ErrorKind(
        "invalid_client",
        401,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
    700027: ErrorKind(
        "invalid_client",
        401,
        "The certificate with identifier used to sign the client assertion is not registered on "
        "application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}'].",
    ),
    700082: ErrorKind(
        "invalid_grant",
        400,
        "The refresh token has expired due to inactivity. The token was issued on {issued} and was "
        "inactive for {inactive}.",
    ),
    700211: ErrorKind(
        "invalid_client",
        401,
        "No matching federated identity record found for presented assertion issuer '{issuer}'. "
        + _FEDERATED,
    ),
    700212: ErrorKind(
        "invalid_client",
        401,
        "No matching federated identity record found for presented assertion audience "
        "'{audience}'. " + _FEDERATED,
    ),
    700213: ErrorKind(
        "invalid_client",
        401,
        "No matching federated identity record found for presented assertion subject '{subject}'. "
        + _FEDERATED,
    ),
    900144: ErrorKind(
        "invalid_request",
        400,
        "The request body must contain the following parameter: '{parameter}'.",
    ),
    1002012: ErrorKind(
        "invalid_scope",
        400,
        "The provided value for scope {scope} is not valid. Client credential flows must have a "
        "scope value with /.default suffixed to the resource identifier (application ID URI).",
    ),
    5002723: ErrorKind("invalid_client", 401, "Invalid JWT token. {reason}"),
    7000112: ErrorKind("unauthorized_client", 400, "Application '{app}'({name}) is disabled."),
    7000215: ErrorKind(
        "invalid_client",
        401,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client "
        "secret value, not the client secret ID, for a secret added to app '{app}'.",
    ),
    7000218: ErrorKind(
        "invalid_client",
        401,
        "The request body must contain the following parameter: 'client_assertion' or "
        "'client_secret'.",
    ),
    7000222: ErrorKind(
        "invalid_client",
        401,
        "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to "
        "create new keys for your app: https://aka.ms/NewClientSecret, or consider using "
        "certificate credentials for added security: https://aka.ms/certCreds.",
    ),
    9002313: ErrorKind("invalid_grant", 400, "Invalid request. Request is malformed or invalid."),
}
OUTAGES = {429: 90055, 503: 90033}


class EntraError(Exception):
    """A refusal of the token endpoint: an AADSTS code and the values of its text."""

    def __init__(self, code: int, **values: object) -> None:
        self.code = code
        self.status = KINDS[code].status
        self.text = KINDS[code].text.format(**values)
        super().__init__(f"AADSTS{code}: {self.text}")

    def body(self, now: datetime, correlation_id: str) -> dict[str, Any]:
        """The JSON that Entra answers with."""
        kind = KINDS[self.code]
        trace_id = str(uuid.uuid4())
        timestamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
        body: dict[str, Any] = {
            "error": kind.error,
            "error_description": f"AADSTS{self.code}: {self.text} Trace ID: {trace_id} "
            f"Correlation ID: {correlation_id} Timestamp: {timestamp}",
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }
        if self.code == 65001:  # noqa: PLR2004 - the one code that tells clients to ask for consent
            body["suberror"] = "consent_required"
        return body
