"""The settings of who may call the HTTP API; part of `shared.settings.Settings`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.doctor_settings import DoctorSettings
from shared.setting_values import UnreadableError, one_of, setting

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SENDER = re.compile(r"(?:\*|[^@\s*]+)@[^@\s*]+\.[^@\s*]+")


def _client_id(raw: str) -> str:
    value = raw.strip().lower()
    if not _GUID.fullmatch(value):
        raise UnreadableError("an id such as 00000000-0000-0000-0000-000000000000")
    return value


def _callers(raw: str) -> Mapping[str, tuple[str, ...]]:
    expected = (
        'a JSON object of client id to a list of From addresses (or "*@domain"), such as '
        '{"00000000-0000-0000-0000-000000000000": ["billing@contoso.com"]}'
    )
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(expected) from None
    if not isinstance(value, dict):
        raise UnreadableError(expected)
    found: dict[str, tuple[str, ...]] = {}
    for name, given in value.items():
        client = name.lower()
        usable = isinstance(given, list) and all(
            isinstance(one, str) and _SENDER.fullmatch(one) for one in given
        )
        if not usable or not _GUID.fullmatch(client) or client in found:
            raise UnreadableError(expected)
        found[client] = tuple(one.lower() for one in given)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings(DoctorSettings):
    """What an operator chooses about callers."""

    api_auth: Literal["keys", "entra"] = setting(
        "MAILROOM_API_AUTH",
        one_of("keys", "entra"),
        "How callers of the API say who they are: `keys` (function keys) or `entra` (a token of "
        "Entra ID with the role `Mail.Send` or `Mail.Admin`; function keys then open nothing).",
        default="keys",
    )
    api_client_id: str = setting(
        "MAILROOM_API_CLIENT_ID",
        _client_id,
        "For `entra`: client id of the API's app registration, the audience of callers' tokens.",
        default="",
    )
    api_tenant_id: str = setting(
        "MAILROOM_API_TENANT_ID",
        _client_id,
        "For `entra`: id of the tenant that the API's app registration is in. Empty: "
        "MAILROOM_TENANT_ID, which must then be an id and no domain.",
        default="",
    )
    callers: Mapping[str, tuple[str, ...]] | None = setting(
        "MAILROOM_CALLERS",
        _callers,
        "For `entra`: which calling application may send as whom, a JSON object of its client id "
        "to From addresses (or `*@domain`). An application that is not listed, or with an empty "
        "list, sends as nobody. Empty: each may send as every sender.",
        default=None,
    )


def caller_faults(settings: CallerSettings, *, tenant_id: str) -> dict[str, str]:
    """What of these settings contradicts each other, by setting."""
    if settings.api_auth == "keys":
        if settings.callers is None:
            return {}
        return {
            "MAILROOM_CALLERS": "MAILROOM_CALLERS needs MAILROOM_API_AUTH=entra: a function key "
            "does not tell which application calls."
        }
    faults: dict[str, str] = {}
    if not settings.api_client_id:
        faults["MAILROOM_API_CLIENT_ID"] = (
            "MAILROOM_API_CLIENT_ID is missing: MAILROOM_API_AUTH=entra takes tokens for it alone."
        )
    if not settings.api_tenant_id and not _GUID.fullmatch(tenant_id.lower()):
        faults["MAILROOM_API_TENANT_ID"] = (
            "MAILROOM_API_TENANT_ID is missing: MAILROOM_API_AUTH=entra takes tokens of one tenant "
            "alone, and the mailboxes' tenant is not given by its id."
        )
    return faults
