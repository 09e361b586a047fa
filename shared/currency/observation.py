"""What the submission service and its tokens look like: facts by name, without what is different
at every look (host names, ids, dates, addresses)."""

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.delivery.replies import Reply
from shared.delivery.session import SessionError, SignIn
from shared.delivery.submission import SubmissionServer

if TYPE_CHECKING:
    from aiosmtplib import SMTP
    from cryptography.x509 import Certificate

Facts = Mapping[str, str]

LONGEST = 500
"""Characters of a fact; what a server says beyond them is not compared."""

_TRANSIENT = range(400, 500)
_VOLATILE = (
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), .{10,11} \d\d:\d\d:\d\d [+-]\d{4}", "<date>"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?", "<date>"),
    (r"\b[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b", "<id>"),
    (r"\[[0-9A-Fa-f:.]+\]", "<address>"),
    (r"\b(\d{1,3}\.){3}\d{1,3}\b", "<address>"),
    (r"(?i)\b(?=[a-z0-9.-]*[a-z])[a-z0-9-]+(\.[a-z0-9-]+){2,}\b", "<host>"),
    (r"\b[0-9A-Fa-f]{12,}\b", "<id>"),
)
# https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes: drawn at random
# from 60 to 90 minutes; `iat` is 5 minutes in the past.
_USUAL_LIFE = (timedelta(minutes=55), timedelta(minutes=100))
_STEP = timedelta(minutes=15)


def steady(text: str) -> str:
    """A server's text with its changing parts named instead of told."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    for pattern, name in _VOLATILE:
        text = re.sub(pattern, name, text)
    return text[:LONGEST]


async def observe_server(
    server: SubmissionServer,
    sign_in: SignIn,
    *,
    tls: ssl.SSLContext,
    timeout: float,  # noqa: ASYNC109 (of each step, as a session's)
) -> Facts:
    """Signs in by a connection of its own, and leaves. A refused sign-in is a fact as well, unless
    the reply is transient. Raises SessionError where there is no encrypted session to look at."""
    import aiosmtplib  # noqa: PLC0415 (120 ms that the app's start does without)

    smtp = aiosmtplib.SMTP(
        hostname=server.host, port=server.port, timeout=timeout, start_tls=False, tls_context=tls,
        local_hostname="[127.0.0.1]",
    )  # fmt: skip
    try:
        greeting = await smtp.connect()
        facts = {"greeting": steady(f"{greeting.code} {greeting.message}")}
        facts |= _capabilities(await smtp.ehlo(), "before TLS")
        ready = await smtp.starttls()
        facts |= {"STARTTLS reply": steady(f"{ready.code} {ready.message}"), **_encryption(smtp)}
        facts |= _capabilities(await smtp.ehlo(), "after TLS")
        reply = await _signed_in(smtp, sign_in)
        if reply.code not in _TRANSIENT:
            facts["sign-in reply"] = steady(str(reply))
        await smtp.quit()
    except ssl.SSLError as error:
        raise SessionError(
            f"TLS with {server.host} failed: {error.reason or type(error).__name__}.",
            stage="starttls",
        ) from None
    except (OSError, aiosmtplib.SMTPException) as error:
        raise SessionError(
            f"{server.host} could not be looked at: {type(error).__name__}.", stage="connect"
        ) from None
    finally:
        smtp.close()
    return facts


async def _signed_in(smtp: "SMTP", sign_in: SignIn) -> Reply:
    import aiosmtplib  # noqa: PLC0415

    try:
        if sign_in.mechanism == "XOAUTH2":
            answer = await smtp.auth_xoauth2(sign_in.user, sign_in.secret)
        else:
            answer = await smtp.auth_login(sign_in.user, sign_in.secret)
    except aiosmtplib.SMTPAuthenticationError as error:
        return Reply(error.code, error.message)
    return Reply(answer.code, answer.message)


def _capabilities(answer: Any, when: str) -> Facts:
    """The keywords of an EHLO reply (RFC 5321, 4.1.1.1), in the order of the alphabet."""
    lines = [line.strip().upper() for line in str(answer.message).splitlines()[1:] if line.strip()]
    facts = {
        f"capabilities {when}": " ".join(sorted(line.split()[0] for line in lines))[:LONGEST],
    }
    for line in lines:
        keyword, *values = line.split()
        if keyword == "AUTH":
            facts[f"sign-in mechanisms {when}"] = " ".join(sorted(values))[:LONGEST]
        elif keyword == "SIZE" and when == "after TLS":
            facts["largest message"] = " ".join(values)[:LONGEST]
    return facts


def _encryption(smtp: "SMTP") -> Facts:
    """TLS, and the chain of certificates as it was verified."""
    from cryptography import x509  # noqa: PLC0415 (not needed at the app's start)
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    tls = smtp.transport.get_extra_info("ssl_object") if smtp.transport else None
    if tls is None:
        return {}
    chain = [x509.load_der_x509_certificate(der) for der in tls.get_verified_chain()]
    leaf = chain[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        "TLS version": str(tls.version()),
        "certificate subject": leaf.subject.rfc4514_string()[:LONGEST],
        "certificate names": " ".join(sorted(names.get_values_for_type(x509.DNSName)))[:LONGEST],
        "certificate issuers": " < ".join(map(_authority, chain[1:]))[:LONGEST],
        "certificate fingerprint": leaf.fingerprint(hashes.SHA256()).hex(),
        "certificate end": leaf.not_valid_after_utc.date().isoformat(),
    }


def _authority(certificate: "Certificate") -> str:
    """An authority's name and key: another key under the same name is another authority."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
    )

    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{certificate.subject.rfc4514_string()} ({hashlib.sha256(key).hexdigest()[:16]})"


def observe_token(token: str) -> Facts:
    """What a token is, by its claims; its signature and the values of other claims are not kept.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        life = timedelta(seconds=int(claims["exp"]) - int(claims["iat"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"token form": "opaque"}
    return {
        "token form": "JWT",
        "token lifetime": _bracket(life),
        "token claims": " ".join(sorted(map(str, claims)))[:LONGEST],
        "token audience": str(claims.get("aud", ""))[:LONGEST],
        "token issuer": steady(str(claims.get("iss", ""))),
        "token version": str(claims.get("ver", ""))[:LONGEST],
        "token roles": _words(claims.get("roles")),
        "token scopes": _words(claims.get("scp")),
    }


def _words(value: object) -> str:
    words = value if isinstance(value, list) else str(value or "").split()
    return " ".join(sorted(map(str, words)))[:LONGEST]


def _bracket(life: timedelta) -> str:
    shortest, longest = _USUAL_LIFE
    if shortest <= life <= longest:
        return "60 to 90 minutes"
    return f"about {round(life / _STEP) * (_STEP // timedelta(minutes=1))} minutes"
