"""Credentials tied to an address or a name: connection strings, URLs, headers, labelled secrets."""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote

from shared.guard.hits import MOST, Hit, before, looks_random, occurrences
from shared.guard.passages import Passage

_KEYS = ("accountkey=", "sharedaccesskey=", "sharedsecretvalue=", "primarykey=", "secretkey=")
_KEY_VALUE = re.compile(r"[A-Za-z0-9+/_-]{32,120}+={0,2}")
_DATABASE = re.compile(
    r"(?:server|data source|datasource|host|hostname|addr(?:ess)?|network address|endpoint)\ ?="
)
_PASSWORD_PART = re.compile(
    r"(?:password|pwd)\ ?=\ ?(?P<value>\"[^\"\n]{3,128}\"|[^;\s\"'<>]{3,128})"
)
_PLACEHOLDER = re.compile(
    r"""["']?(?:<.*|\{.*|\[.*|\$[({].*|\$[A-Z_]+|%\w+%|\*+|x+|\.+|…+|pass(?:word|wd)?|pwd?|secret|your.*|my.*|"""
    r"""example|changeme|redacted|hidden|user|username|credentials)["']?""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,30}$")
_AUTHORITY = re.compile(r"[^\s/?#\"'<>\\]{3,300}+")
_HOST = re.compile(r"\[?[\w.:-]{2,}", re.ASCII)
_SIGNATURE = re.compile(r"[A-Za-z0-9%+/=_-]{40,400}+")
_SIGNED = (
    ("sig=", re.compile(r"[?&;](?:sv|se|sr|sp|st|ss)=")),
    ("x-amz-signature=", re.compile(r"x-amz-")),
    ("x-goog-signature=", re.compile(r"x-goog-")),
)
_BEARER = re.compile(
    r"[\"']?\ {0,2}[:=]\ {0,2}[\"']?(?P<scheme>bearer|basic|token|apikey|sharedaccesssignature)"
    r"\ {1,2}[\"']?(?P<value>[a-z0-9+/=_.~%&-]{12,4000}+)"
)
_LABELS = (
    "client secret", "client_secret", "clientsecret", "client-secret", "api key", "api_key",
    "apikey", "api-key", "secret key", "secret_key", "secretkey", "secret access key",
    "secret_access_key", "access_token", "access token", "auth token", "auth_token",
    "subscription key", "subscription-key", "signing secret", "signing key", "shared secret",
    "functions-key", "function key", "api-schlüssel", "clé api", "clé d'api", "clave api",
    "clave de api", "chiave api", "klucz api", "api-sleutel", "api-nyckel", "refresh_token",
    "refresh token", "encryption key", "account key", "appsecret", "app secret", "app_secret",
    "webhook secret",
)  # fmt: skip
_LABELLED = re.compile(
    r"(?:[\"'\])]{0,2}(?:\ (?:is|for|the|this|your|ist|lautet|est|es|value|wert)\b){0,4}"
    r"\ {0,3}(?::=|=>|[:=]|\t|\ is|\ ist|\ est|\ es)?\s{0,4})"
    r"[\"'`]{0,2}(?P<value>[\w+/=.~-]{16,512}+)"
)


def find_connections(passage: Passage) -> Iterator[Hit]:
    """Keys and passwords in connection strings, and signatures of links."""
    for find in (_keys, _passwords, _signatures):
        yield from islice(find(passage), MOST)


def _keys(passage: Passage) -> Iterator[Hit]:
    for name in _KEYS:
        for at in occurrences(passage.lower, name):
            value = _KEY_VALUE.match(passage.text, at + len(name))
            if value and looks_random(value.group()):
                yield Hit("connection-string", *value.span(), "key in a connection string")


def _passwords(passage: Passage) -> Iterator[Hit]:
    for name in ("password", "pwd"):
        for at in occurrences(passage.lower, name):
            part = _PASSWORD_PART.match(passage.lower, at)
            if part is None or _PLACEHOLDER.fullmatch(part["value"]):
                continue
            line = before(passage, at, 400).rpartition("\n")[2]
            if ";" in line and _DATABASE.search(line):
                yield Hit("connection-string", *part.span("value"), "password of a database")


def _signatures(passage: Passage) -> Iterator[Hit]:
    for name, companion in _SIGNED:
        for at in occurrences(passage.lower, name):
            if at == 0 or passage.text[at - 1] not in "?&;":
                continue
            value = _SIGNATURE.match(passage.text, at + len(name))
            around = passage.lower[max(0, at - 1000) : at + 1000]
            if value and companion.search(around) and _is_digest(value.group()):
                yield Hit("signed-url", *value.span(), "signature of a link")


def _is_digest(value: str) -> bool:
    """Whether it is a SHA-256 in base64 or hexadecimal, or an RSA signature."""
    text = unquote(value)
    if re.fullmatch(r"(?:[0-9a-f]{2}){32,256}", text):
        return True
    try:
        return len(base64.b64decode(text[:44], validate=True)) == 32  # noqa: PLR2004
    except (binascii.Error, ValueError):
        return False


def find_url_credentials(passage: Passage) -> Iterator[Hit]:
    """Passwords in URLs (RFC 3986 section 3.2.1)."""
    found = 0
    for at in occurrences(passage.text, "://"):
        authority = _AUTHORITY.match(passage.text, at + 3)
        if authority is None or not _SCHEME.search(passage.lower[max(0, at - 32) : at]):
            continue
        user_info, at_sign, host = authority.group().rpartition("@")
        user, colon, password = user_info.partition(":")
        if not (at_sign and colon and _HOST.match(host)) or len(password) < 3:  # noqa: PLR2004
            continue
        if _PLACEHOLDER.fullmatch(password) or password == user:
            continue
        start = authority.start() + len(user) + 1
        yield Hit("url-credentials", start, start + len(password), "password in a URL")
        found += 1
        if found == MOST:
            return


def find_headers(passage: Passage) -> Iterator[Hit]:
    """Values of an Authorization header (RFC 9110 section 11.6.2)."""
    for at in occurrences(passage.lower, "authorization"):
        match = _BEARER.match(passage.lower, at + len("authorization"))
        if match is None:
            continue
        value = passage.text[slice(*match.span("value"))]
        if match["scheme"] == "basic":
            if not _is_pair(value):
                continue
        elif not looks_random(value) or value.isalpha():
            continue
        yield Hit("authorization-header", *match.span("value"), "Authorization header")


def _is_pair(value: str) -> bool:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    user, colon, password = text.partition(":")
    return bool(user and colon and password) and not _PLACEHOLDER.fullmatch(password)


def find_labelled(passage: Passage) -> Iterator[Hit]:
    """Random values of 16 characters or more behind a name for a secret."""
    found = 0
    for label in _LABELS:
        for at in occurrences(passage.lower, label):
            match = _LABELLED.match(passage.lower, at + len(label))
            if match is None:
                continue
            value = passage.text[slice(*match.span("value"))].rstrip(".")
            if not _is_secret(value):
                continue
            yield Hit("labelled-secret", match.start("value"), match.start("value") + len(value),
                      label.replace("_", " "))  # fmt: skip
            found += 1
            if found == MOST:
                return


def _is_secret(value: str) -> bool:
    """Whether it was made by chance: no word, no id (a UUID is shown to all), no path."""
    if len(value) < 16 or value.count("/") > 6 or "://" in value:  # noqa: PLR2004
        return False
    if re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        return False
    digits = sum(char.isdigit() for char in value)
    letters = sum(char.isalpha() for char in value)
    is_hex = re.fullmatch(r"[0-9a-fA-F]+", value) is not None
    enough = digits > 1 or (digits == 1 and len(value) >= 32)  # noqa: PLR2004
    return enough and letters > 1 and looks_random(value, bits=2.5 if is_hex else 3.2)
