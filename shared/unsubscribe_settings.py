"""The settings of unsubscribing; part of `shared.settings.Settings`."""

from dataclasses import dataclass
from typing import Literal

from shared.link_settings import LinkSettings
from shared.setting_values import flag, one_of, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeSettings(LinkSettings):
    """What an operator chooses about it. The links need MAILROOM_PUBLIC_URL."""

    plus_addresses: bool = setting(
        "MAILROOM_PLUS_ADDRESSES",
        flag,
        "Whether unsubscribe requests by mail go to `<mailbox>+unsubscribe@…`, so that rules can "
        "sort them. Exchange Online delivers such mail to the mailbox unless the organisation has "
        "`DisablePlusAddressInRecipients`.",
        default=True,
    )
    unsubscribe_replies: Literal["propose", "apply"] = setting(
        "MAILROOM_UNSUBSCRIBE_REPLIES",
        one_of("propose", "apply"),
        "What an answer such as “unsubscribe” or “STOP” to a bulk message brings about: `propose` "
        "(it is kept, and listed by `GET /api/returned-mail?kind=unsubscribe`) or `apply` (the "
        "recipient gets no more of the topic).",
        default="propose",
    )
