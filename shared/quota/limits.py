"""The limits that the governor keeps, from the settings.

https://learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements,
https://learn.microsoft.com/defender-office-365/outbound-spam-sending-limits-troubleshoot (TERRL).
"""

from dataclasses import dataclass

from shared.settings import Settings

TRIAL_EXTERNAL = 5_000
ONMICROSOFT_EXTERNAL = 100


def tenant_external_limit(licences: int, *, trial: bool = False) -> int:
    """TERRL: external recipients that a tenant with so many licences may reach in 24 hours."""
    return TRIAL_EXTERNAL if trial else int(500 * licences**0.7 + 9500)


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """What may be sent. None: no such limit.

    external: the tenant's external recipients in 24 hours that are Mailroom's;
    external_reserved: those that it leaves to people. onmicrosoft: external recipients in
    24 hours of senders at *.onmicrosoft.com.
    """

    messages_per_minute: int = 30
    connections: int = 3
    recipients_per_day: int = 10_000
    external: int | None = 8_000
    external_reserved: int = 2_000
    onmicrosoft: int | None = ONMICROSOFT_EXTERNAL

    @classmethod
    def of(cls, settings: Settings) -> "QuotaLimits":
        """What the settings say."""
        external = None
        reserved = 0
        if settings.licences or settings.tenant_trial:
            total = tenant_external_limit(settings.licences, trial=settings.tenant_trial)
            reserved = -(-total * settings.people_share // 100)
            external = total - reserved
        return cls(
            messages_per_minute=settings.messages_per_minute,
            connections=settings.sessions_per_mailbox,
            recipients_per_day=settings.recipients_per_day,
            external=external,
            external_reserved=reserved,
            onmicrosoft=None if external is None else ONMICROSOFT_EXTERNAL,
        )
