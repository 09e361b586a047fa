"""What is set up in the tenant: mailboxes, limits and how chosen recipients behave.

All of it is frozen; a change at run time replaces the object (`Exchange.put_mailbox`,
`Exchange.limits = ...`), so a reader never sees half a change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import translate
from typing import Any, Literal

from .replies import Reply

TENANT_ID = "11111111-1111-1111-1111-111111111111"
MEGABYTE = 1024 * 1024


class SettingError(ValueError):
    """A setting that cannot be; the text names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox and who may submit through it.

    `apps`: application ids with FullAccess on it (way A, role SMTP.SendAsApp); "*" is every app.
    `rbac_apps`: application ids with the role assignment "Application SMTP.SendAsApp" whose scope
    holds this mailbox (way B; their tokens need no `roles` claim).
    `delegates`: user principal names that may submit through it with a delegated token; the
    mailbox's own address always may. `send_as`: further addresses it may send as. `keeps_copies`:
    what is submitted is saved in Sent Items (MessageCopyForSMTPClientSubmissionEnabled).
    """

    address: str
    smtp_auth: bool = True
    send_as: tuple[str, ...] = ()
    apps: tuple[str, ...] = ("*",)
    rbac_apps: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()
    keeps_copies: bool = True

    def may_send_as(self, address: str) -> bool:
        """Tell whether `address` (any case) may stand in MAIL FROM and From."""
        wanted = address.casefold()
        return wanted == self.address.casefold() or any(
            wanted == other.casefold() for other in self.send_as
        )

    def is_open_to(self, app_id: str) -> bool:
        """Tell whether this application has the mailbox permission (way A)."""
        return "*" in self.apps or app_id in self.apps

    def patched(self, changes: Mapping[str, Any]) -> "Mailbox":
        """Return a copy with `changes` (JSON values) made; SettingError names a wrong one."""
        if "address" in changes:
            raise SettingError("a mailbox keeps its address: leave 'address' out")
        return _patched(self, changes)


@dataclass(frozen=True, slots=True)
class Limits:
    """Exchange Online's limits; None switches one off. Times in seconds, sizes in bytes.

    Sources: learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements,
    …/exchange-online-limits, and for TERRL the outbound limits of defender-office-365.
    """

    messages_per_minute: int | None = 30
    concurrent_connections: int | None = 3
    recipients_per_day: int | None = 10_000
    recipients_per_message: int | None = 500
    tenant_external_recipients_per_day: int | None = 10_000
    onmicrosoft_recipients_per_day: int | None = 100
    message_bytes: int | None = 35 * MEGABYTE
    announced_bytes: int = 150 * MEGABYTE
    command_errors: int | None = 5
    login_failures: int | None = 3
    idle_seconds: float | None = 300.0

    @classmethod
    def unlimited(cls) -> "Limits":
        """No limits: for benchmarks."""
        return cls().patched(
            {one.name: None for one in fields(cls) if one.name != "announced_bytes"}
        )

    @classmethod
    def of_licences(cls, licences: int) -> "Limits":
        """The true limits of a tenant with so many licences (TERRL grows with them)."""
        return cls(tenant_external_recipients_per_day=round(500 * licences**0.7 + 9500))

    def patched(self, changes: Mapping[str, Any]) -> "Limits":
        """Return a copy with `changes` (JSON values) made; SettingError names a wrong one."""
        return _patched(self, changes)


@dataclass(frozen=True, slots=True)
class RecipientRule:
    """What happens to recipients that match `pattern` (shell-style, any case).

    "rcpt": RCPT TO is answered with `reply`. "data": the message is refused at its end, for all
    of its recipients. `reply` is one line, as in "550 5.1.1 No such user".
    """

    pattern: str
    when: Literal["rcpt", "data"]
    reply: str

    def __post_init__(self) -> None:
        if Reply.parse(self.reply).code < 400:  # noqa: PLR2004
            raise SettingError(f"a recipient rule refuses (4yz or 5yz), not {self.reply!r}")


NOT_FOUND = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"

# The local parts that the demo and the tests share. The real service finds most unknown
# recipients only after it has accepted the message; here they are refused while one looks on.
RECIPIENT_RULES = (
    RecipientRule("unknown@*", "rcpt", NOT_FOUND),
    RecipientRule("nobody.*@*", "rcpt", NOT_FOUND),
    RecipientRule("mistyped@*", "rcpt", "550 5.4.1 Recipient address rejected: Access denied."),
    RecipientRule("blocked@*", "rcpt", "550 5.7.1 Recipient not authorized"),
    RecipientRule("full@*", "rcpt", "452 4.2.2 Mailbox full"),
    RecipientRule("busy@*", "rcpt", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded"),
    RecipientRule(
        "later@*", "data", "451 4.7.0 Temporary server error. Please try again later. PRX2"
    ),
    RecipientRule("refused@*", "data", "554 5.7.1 The message was refused by policy"),
)


class RecipientTable:
    """The recipient rules of one server, looked up in the order given."""

    def __init__(self, rules: tuple[RecipientRule, ...]) -> None:
        self.rules = rules
        self._compiled = [
            (re.compile(translate(rule.pattern.lower())), rule.when, Reply.parse(rule.reply))
            for rule in rules
        ]
        self._any = (
            re.compile("|".join(pattern.pattern for pattern, _, _ in self._compiled))
            if rules
            else None
        )

    def refusal(self, address: str, when: Literal["rcpt", "data"]) -> Reply | None:
        """Return the reply of the first rule that matches, None if there is none."""
        address = address.lower()
        if self._any is None or not self._any.match(address):
            return None
        for pattern, moment, reply in self._compiled:
            if moment == when and pattern.match(address):
                return reply
        return None


@dataclass(frozen=True, slots=True)
class Tenant:
    """The organisation. `service_principals` maps application id to enterprise application
    object id, as New-ServicePrincipal registered them; None means each app, correctly.
    With `replaces_message_ids` accepted messages get a new Message-ID, as Exchange may do.
    """

    id: str = TENANT_ID
    accepted_domains: tuple[str, ...] = ("contoso.test",)
    smtp_auth: bool = True
    service_principals: Mapping[str, str] | None = None
    replaces_message_ids: bool = False

    def is_external(self, address: str) -> bool:
        """Tell whether the address lies outside the accepted domains."""
        return address.rpartition("@")[2].lower() not in self.accepted_domains


def _patched[T: (Mailbox, Limits)](setting: T, changes: Mapping[str, Any]) -> T:
    kinds: dict[str, Any] = {one.name: one.type for one in fields(setting)}
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in kinds:
            raise SettingError(f"unknown setting {name!r}: there are {', '.join(kinds)}")
        values[name] = _checked(name, value, getattr(setting, name), kinds[name])
    return replace(setting, **values)


def _checked(name: str, value: Any, current: Any, kind: Any) -> Any:
    if isinstance(current, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise SettingError(f"{name!r} is a list of strings, not {value!r}")
    if isinstance(current, bool):
        if isinstance(value, bool):
            return value
        raise SettingError(f"{name!r} is true or false, not {value!r}")
    optional = type(None) in getattr(kind, "__args__", ())
    if value is None and optional:
        return None
    numbers = (int, float) if float in getattr(kind, "__args__", ()) else (int,)
    if isinstance(value, numbers) and not isinstance(value, bool) and value >= 0:
        return value
    raise SettingError(f"{name!r} is a number{' or null' if optional else ''}, not {value!r}")
