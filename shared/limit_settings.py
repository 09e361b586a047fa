"""The settings of what Office 365 allows; part of `shared.settings.Settings`."""

from dataclasses import dataclass

from shared.setting_values import domains, flag, setting, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """What an operator tells of the limits of mailboxes and tenant."""

    messages_per_minute: int = setting(
        "MAILROOM_MESSAGES_PER_MINUTE",
        whole(1, 6000),
        "Messages that one mailbox may submit in a minute; Office 365 allows 30.",
        default=30,
    )
    recipients_per_day: int = setting(
        "MAILROOM_RECIPIENTS_PER_DAY",
        whole(1, 10_000_000),
        "Recipients that one mailbox may reach in any 24 hours; Office 365 allows 10,000.",
        default=10_000,
    )
    accepted_domains: tuple[str, ...] = setting(
        "MAILROOM_ACCEPTED_DOMAINS",
        domains,
        "The tenant's accepted domains, a JSON list: recipients elsewhere are external. Empty: the "
        "domains of the senders.",
        default=(),
    )
    licences: int = setting(
        "MAILROOM_LICENCES",
        whole(0, 10_000_000),
        "Exchange Online licences of the tenant: with them grows its limit of external recipients "
        "in 24 hours (500 × licences^0.7 + 9,500). 0: the server has no such limit.",
        default=1,
    )
    tenant_trial: bool = setting(
        "MAILROOM_TENANT_TRIAL",
        flag,
        "`true`: a trial tenant, which may reach 5,000 external recipients in 24 hours.",
        default=False,
    )
    people_share: int = setting(
        "MAILROOM_PEOPLE_SHARE",
        whole(0, 99),
        "Percent of the tenant's external recipients that Mailroom leaves to people.",
        default=20,
    )
