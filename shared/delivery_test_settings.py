"""The settings of delivery tests; part of `shared.settings.Settings`."""

from dataclasses import dataclass

from shared.content_settings import ContentSettings
from shared.setting_values import flag, mailboxes, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTestSettings(ContentSettings):
    """What an operator chooses about delivery tests."""

    delivery_test_mailboxes: tuple[str, ...] = setting(
        "MAILROOM_DELIVERY_TEST_MAILBOXES",
        mailboxes,
        "The mailboxes where delivery tests arrive, a JSON list; the first one unless a test names "
        "another. They are read as MAILROOM_RETURNED_MAIL says, which needs `Application "
        "Mail.Read` for them (or, by `imap`, FullAccess). Best in a domain that mail comes to from "
        "outside.",
        default=(),
    )
    delivery_test_daily: bool = setting(
        "MAILROOM_DELIVERY_TEST_DAILY",
        flag,
        "`true`: each morning (06:10 UTC) a test goes to each of MAILROOM_DELIVERY_TEST_MAILBOXES; "
        "GET /api/delivery-tests has the trend.",
        default=False,
    )
