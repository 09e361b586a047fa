"""The settings of what mails look like; `shared.settings` reads them with all others."""

from dataclasses import dataclass, field

from shared.setting_values import (
    colour,
    language_tag,
    setting,
    text,
    time_zone_name,
    web_url,
    whole,
)
from shared.unsubscribe_settings import UnsubscribeSettings

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSettings(UnsubscribeSettings):
    """Durations are in seconds, sizes in bytes."""

    # Templates
    brand_name: str = setting(
        "MAILROOM_BRAND_NAME",
        text,
        "The organisation's name, as templates show it (`brand.name`).",
        default="",
    )
    brand_colour: str = setting(
        "MAILROOM_BRAND_COLOUR",
        colour,
        "Colour of buttons and headings, such as `#0b5cad` (`brand.colour`).",
        default="#0b5cad",
    )
    brand_logo_url: str = setting(
        "MAILROOM_BRAND_LOGO_URL",
        web_url,
        "Address of the logo, a picture of some 200 × 50 pixels (`brand.logo_url`).",
        default="",
    )
    brand_address: str = setting(
        "MAILROOM_BRAND_ADDRESS",
        text,
        "The organisation's postal address, which bulk mail must show (`brand.address`).",
        default="",
    )
    brand_website: str = setting(
        "MAILROOM_BRAND_WEBSITE",
        web_url,
        "The organisation's website (`brand.website`).",
        default="",
    )
    language: str = setting(
        "MAILROOM_LANGUAGE",
        language_tag,
        "The language of recipients of whom none is known, such as `en` or `de-AT` (BCP 47).",
        default="en",
    )
    time_zone: str = setting(
        "MAILROOM_TIME_ZONE",
        time_zone_name,
        "The time zone of recipients of whom none is known, such as `Europe/Vienna` (IANA).",
        default="UTC",
    )
    template_seconds: int = setting(
        "MAILROOM_TEMPLATE_SECONDS",
        whole(1, 60),
        "Seconds that a rendering may take.",
        default=5,
    )
    template_memory: int = setting(
        "MAILROOM_TEMPLATE_MEMORY",
        whole(128 * _MEBIBYTE, 4096 * _MEBIBYTE),
        "Bytes of memory that each of the two processes that render may have.",
        default=256 * _MEBIBYTE,
    )
    template_output: int = setting(
        "MAILROOM_TEMPLATE_OUTPUT",
        whole(16 * 1024, 10 * _MEBIBYTE),
        "Characters that the HTML or the text of a rendering may have.",
        default=_MEBIBYTE,
    )


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where a command finds the app, and the function key that opens it."""

    url: str
    key: str = field(repr=False)
