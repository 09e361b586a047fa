"""How an application proves who it is: a secret, a certificate or another issuer's token.

Sources: RFC 6749 section 2.3.1, RFC 7523 section 3,
learn.microsoft.com/entra/identity-platform/certificate-credentials and
learn.microsoft.com/entra/workload-id/workload-identity-federation.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from local.entra.directory import App, ClientCertificate, Directory, FederatedCredential
from local.entra.errors import EntraError
from local.entra.keys import SIGNATURE_ONLY
from local.entra.tokens import TokenIssuer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PUBLIC, BY_SECRET, BY_ASSERTION = "0", "1", "2"

_SKEW = timedelta(minutes=5)


class ClientCheck:
    """Checks the client authentication of a token request."""

    def __init__(self, directory: Directory, tokens: TokenIssuer) -> None:
        self._directory = directory
        self._tokens = tokens

    def find(self, form: Mapping[str, str], tenant: str) -> App:
        """The application that a request names; raises EntraError 900144, 700016 or 7000112."""
        client_id = form.get("client_id")
        if not client_id:
            raise EntraError(900144, parameter="client_id")
        app = self._directory.find_app(client_id)
        if app is None:
            raise EntraError(700016, app=client_id, tenant=tenant)
        if not app.enabled:
            raise EntraError(7000112, app=app.client_id, name=app.name)
        return app

    def authenticate(
        self,
        app: App,
        form: Mapping[str, str],
        *,
        audiences: Collection[str],
        now: datetime,
        public_allowed: bool,
    ) -> str:
        """Check the client's proof and return its kind, the `appidacr` of the token.

        `audiences` are the names of this token endpoint that a client assertion may carry.
        """
        secret, assertion = form.get("client_secret"), form.get("client_assertion")
        if app.public_client and public_allowed:
            if secret or assertion:
                raise EntraError(700025)
            return PUBLIC
        if assertion:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise EntraError(900144, parameter="client_assertion_type")
            self._check_assertion(app, assertion, audiences, now)
            return BY_ASSERTION
        if not secret:
            raise EntraError(7000218)
        self._check_secret(app, secret, now)
        return BY_SECRET

    def _check_secret(self, app: App, secret: str, now: datetime) -> None:
        matching = [known for known in app.secrets if known.matches(secret)]
        if not matching:
            raise EntraError(7000215, app=app.client_id)
        if all(known.expires_at <= now for known in matching):
            raise EntraError(7000222, app=app.client_id)

    def _check_assertion(
        self, app: App, assertion: str, audiences: Collection[str], now: datetime
    ) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={**SIGNATURE_ONLY, "verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise EntraError(5002723, reason="The client assertion is malformed.") from error
        # Entra's own tokens carry x5t too, so the issuer decides which kind of proof this is.
        if claims.get("iss") == app.client_id:
            self._check_certificate_assertion(app, assertion, header, audiences, now)
        else:
            self._check_federated_assertion(app, assertion, claims, now)

    def _check_certificate_assertion(
        self,
        app: App,
        assertion: str,
        header: Mapping[str, Any],
        audiences: Collection[str],
        now: datetime,
    ) -> None:
        thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "").rstrip("=")
        certificate = _find_certificate(app, thumbprint)
        shown = _hexadecimal(thumbprint)
        if certificate is None:
            raise EntraError(700027, reason="The key was not found.", thumbprint=shown)
        if certificate.certificate.not_valid_after_utc <= now:
            raise EntraError(700027, reason="The key used is expired.", thumbprint=shown)
        key = certificate.certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise EntraError(700027, reason="The key is no RSA key.", thumbprint=shown)
        try:
            claims = jwt.decode(
                assertion, key, algorithms=["RS256", "PS256"], options=SIGNATURE_ONLY
            )
        except jwt.InvalidTokenError as error:
            reason = "The key was found, but use of the key to verify the signature failed."
            raise EntraError(700027, reason=reason, thumbprint=shown) from error
        if claims.get("sub") != app.client_id:
            raise EntraError(700021)
        if claims.get("aud") not in audiences:
            raise EntraError(700023)
        _check_times(claims, now)

    def _check_federated_assertion(
        self, app: App, assertion: str, claims: Mapping[str, Any], now: datetime
    ) -> None:
        _match_federated(app, claims)
        issuer = str(claims.get("iss"))
        if issuer != self._tokens.federation_issuer:
            raise EntraError(50166, issuer=issuer)
        try:
            self._tokens.keys.verify(assertion)
        except jwt.InvalidTokenError as error:
            reason = "The signature of the federated assertion is not its issuer's."
            raise EntraError(5002723, reason=reason) from error
        _check_times(claims, now)


def read_basic_credentials(authorization: str | None) -> dict[str, str]:
    """Client id and secret from an HTTP Basic header (RFC 6749 section 2.3.1), if there is one."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise EntraError(9002313) from error
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


def _find_certificate(app: App, thumbprint: str) -> ClientCertificate | None:
    for certificate in app.certificates:
        if thumbprint in (certificate.sha1, certificate.sha256):
            return certificate
    return None


def _match_federated(app: App, claims: Mapping[str, Any]) -> FederatedCredential:
    issuer, subject = str(claims.get("iss", "")), str(claims.get("sub", ""))
    audience = str(claims.get("aud", ""))
    if not app.federated_credentials:
        raise EntraError(70025, app=app.client_id, name=app.name)
    by_issuer = [known for known in app.federated_credentials if known.issuer == issuer]
    by_subject = [known for known in by_issuer if known.subject == subject]
    matching = [known for known in by_subject if known.audience == audience]
    if matching:
        return matching[0]
    if by_subject:
        raise EntraError(700212, audience=audience)
    if by_issuer:
        raise EntraError(700213, subject=subject)
    if any(known.subject == subject for known in app.federated_credentials):
        raise EntraError(700211, issuer=issuer)
    raise EntraError(70021, issuer=issuer, subject=subject, audience=audience)


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    starts, ends = claims.get("nbf", claims.get("iat", 0)), claims.get("exp")
    if not isinstance(starts, int | float) or not isinstance(ends, int | float):
        raise EntraError(5002723, reason="The assertion's times are missing or no numbers.")
    moment = now.timestamp()
    skew = _SKEW.total_seconds()
    if starts > moment + skew or ends < moment - skew:
        raise EntraError(
            700024, now=_iso(moment), valid_from=_iso(float(starts)), expires=_iso(float(ends))
        )


def _iso(epoch: float) -> str:
    try:
        return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(epoch)


def _hexadecimal(thumbprint: str) -> str:
    try:
        return base64.urlsafe_b64decode(thumbprint + "=" * (-len(thumbprint) % 4)).hex().upper()
    except (binascii.Error, ValueError):
        return ""
