"""The settings of what bounces and complaints bring about; part of `shared.settings.Settings`."""

from dataclasses import dataclass
from typing import Literal

from shared.returned_mail_settings import ReturnedMailSettings
from shared.setting_values import bounce_rules, hours, one_of, setting, text, topics, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSettings(ReturnedMailSettings):
    """What an operator chooses about what comes back."""

    returned_days: int = setting(
        "MAILROOM_RETURNED_DAYS",
        whole(1, 3650),
        "Days that returned mail is kept that could not be read, or that fits no message.",
        default=30,
    )
    signing_key_name: str = setting(
        "MAILROOM_SIGNING_KEY_NAME",
        text,
        "Name of the Key Vault secret with the key that signs Mailroom's marks in mail; without "
        "`MAILROOM_KEY_VAULT_URL` nothing is signed.",
        default="mailroom-signing-key",
    )
    trusted_match: Literal["signed", "unsigned", "guess"] = setting(
        "MAILROOM_TRUSTED_MATCH",
        one_of("signed", "unsigned", "guess"),
        "How surely a bounce or complaint must fit a message before it may suppress an address: "
        "`signed` (by a mark that nobody can guess), `unsigned` (by an id that somebody could "
        "guess) or `guess` (by recipient and time).",
        default="signed",
    )
    bounce_rules: tuple[tuple[str, str], ...] = setting(
        "MAILROOM_BOUNCE_RULES",
        bounce_rules,
        "Rules other than the defaults (see *What comes back*): a JSON object of reason to "
        "`suppress`, `lease` or `count`.",
        default=(),
    )
    bounce_leases: tuple[int, ...] = setting(
        "MAILROOM_BOUNCE_LEASES",
        hours,
        "Hours for which an address is suppressed after its first soft bounce, its second, and so "
        "on: a JSON list; `[]`: soft bounces are only counted.",
        default=(24, 48, 96, 168, 336),
    )
    bounce_forgiven_days: int = setting(
        "MAILROOM_BOUNCE_FORGIVEN_DAYS",
        whole(1, 365),
        "Days without a bounce, after a message was sent again to an address, that make its next "
        "soft bounce count as the first.",
        default=7,
    )
    complaint_exempt_topics: tuple[str, ...] = setting(
        "MAILROOM_COMPLAINT_EXEMPT_TOPICS",
        topics,
        "Topics that are still sent to somebody who complained (password resets, security "
        "notices): a JSON list.",
        default=(),
    )
