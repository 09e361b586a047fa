"""The settings of files that are fetched, or that stay here and are linked to."""

from dataclasses import dataclass

from shared.guard_settings import GuardSettings
from shared.setting_values import hosts, https_url, setting, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings(GuardSettings):
    """What an operator chooses about files and links. `Settings` has them all."""

    attachment_hosts: tuple[str, ...] = setting(
        "MAILROOM_ATTACHMENT_HOSTS",
        hosts,
        "Hosts from which attachments given as `url` are fetched, a JSON list; `*.contoso.com` "
        "stands for all names below. Empty: none is fetched.",
        default=(),
    )
    public_url: str = setting(
        "MAILROOM_PUBLIC_URL",
        https_url,
        "Address at which recipients reach Mailroom's pages, such as `https://mail.contoso.com`; "
        "needed for secure links.",
        default="",
    )
    link_days: int = setting(
        "MAILROOM_LINK_DAYS",
        whole(1, 3650),
        "Days that a secure link works, unless the message says otherwise.",
        default=14,
    )
    link_max_days: int = setting(
        "MAILROOM_LINK_MAX_DAYS",
        whole(1, 3650),
        "Days that a secure link may work at most.",
        default=90,
    )
    link_downloads: int = setting(
        "MAILROOM_LINK_DOWNLOADS",
        whole(1, 10_000),
        "Downloads that a secure link allows, unless the message says otherwise.",
        default=10,
    )
