"""The settings of reading what comes back; part of `shared.settings.Settings`."""

from dataclasses import dataclass
from typing import Literal

from shared.limit_settings import LimitSettings
from shared.setting_values import (
    folders,
    https_url,
    mailboxes,
    one_of,
    setting,
    text,
    whole,
)

type ReturnedMail = Literal["off", "imap", "graph"]
type Disposal = Literal["leave", "read", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedMailSettings(LimitSettings):
    """Durations are in seconds, sizes in bytes."""

    returned_mail: ReturnedMail = setting(
        "MAILROOM_RETURNED_MAIL",
        one_of("off", "imap", "graph"),
        "How what comes back to the sender mailboxes is read: `graph` (Microsoft Graph; the app "
        "needs `Application Mail.Read` for these mailboxes alone), `imap` (IMAP with XOAUTH2; "
        "needs `IMAP.AccessAsApp` and FullAccess) or `off`. Not with "
        "`MAILROOM_CREDENTIAL=delegated`.",
        default="off",
    )
    returned_mailboxes: tuple[str, ...] = setting(
        "MAILROOM_RETURNED_MAILBOXES",
        mailboxes,
        "The mailboxes that are read, a JSON list. Empty: those of MAILROOM_SENDERS.",
        default=(),
    )
    returned_folders: tuple[str, ...] = setting(
        "MAILROOM_RETURNED_FOLDERS",
        folders,
        "The folders that are read, a JSON list. `INBOX` and `Junk Email` are found in any "
        "language over Graph; over IMAP give the mailbox's own names.",
        default=("INBOX", "Junk Email"),
    )
    returned_disposal: Disposal = setting(
        "MAILROOM_RETURNED_DISPOSAL",
        one_of("leave", "read", "move"),
        "What is done with read mail that was for Mailroom: `leave` it as it is, mark it `read`, "
        "or `move` it. Over Graph the last two need `Application Mail.ReadWrite` in place of "
        "`Mail.Read`. Other mail is never changed.",
        default="leave",
    )
    returned_folder: str = setting(
        "MAILROOM_RETURNED_FOLDER",
        text,
        "For `move`: the folder's name; it is made when it is missing.",
        default="",
    )
    returned_size_limit: int = setting(
        "MAILROOM_RETURNED_SIZE_LIMIT",
        whole(16 * 1024, 32 * 1024 * 1024),
        "Bytes of a mail that are read; what is longer is cut.",
        default=1024 * 1024,
    )
    returned_per_run: int = setting(
        "MAILROOM_RETURNED_PER_RUN",
        whole(1, 100_000),
        "Mails of one folder that are read in a run; there is one each minute, of 45 seconds at "
        "most.",
        default=1000,
    )
    returned_lookback: int = setting(
        "MAILROOM_RETURNED_LOOKBACK",
        whole(1, 365),
        "Days to look back where nothing was read yet, or where the mailbox has lost count (its "
        "UIDVALIDITY changed, its delta token expired).",
        default=30,
    )
    sent_items: int = setting(
        "MAILROOM_SENT_ITEMS",
        whole(0, 86400),
        "Seconds for which the copy of an `unknown` message is looked for in Sent Items, where "
        "returned mail is read; only then MAILROOM_UNKNOWN decides. 0: it is not looked for.",
        default=3600,
    )
    imap_host: str = setting(
        "MAILROOM_IMAP_HOST",
        text,
        "For `imap`: the server; national clouds have their own.",
        default="outlook.office365.com",
    )
    imap_port: int = setting(
        "MAILROOM_IMAP_PORT", whole(1, 65535), "Its port, with TLS from the start.", default=993
    )
    graph_url: str = setting(
        "MAILROOM_GRAPH_URL",
        https_url,
        "For `graph`: Microsoft Graph's address; national clouds have their own.",
        default="https://graph.microsoft.com",
    )
    returned_scope: str = setting(
        "MAILROOM_RETURNED_SCOPE",
        text,
        "Overrides the OAuth2 scope of the token that reads: "
        "`https://outlook.office365.com/.default` for `imap`, MAILROOM_GRAPH_URL with `/.default` "
        "for `graph`.",
        default="",
    )


def returned_mail_faults(settings: ReturnedMailSettings, *, credential: str) -> dict[str, str]:
    """What contradicts what, by the name of the setting."""
    faults: dict[str, str] = {}
    if settings.returned_mail == "off":
        return faults
    if credential == "delegated":
        faults["MAILROOM_RETURNED_MAIL"] = (
            f"MAILROOM_RETURNED_MAIL={settings.returned_mail} cannot go with "
            "MAILROOM_CREDENTIAL=delegated: the sign-in of `make login` covers sending alone. Use "
            "secret, certificate or federated, or leave MAILROOM_RETURNED_MAIL=off."
        )
    if settings.returned_disposal == "move" and not settings.returned_folder:
        faults["MAILROOM_RETURNED_FOLDER"] = (
            "MAILROOM_RETURNED_FOLDER is missing: MAILROOM_RETURNED_DISPOSAL=move needs to know "
            "where to."
        )
    read = {folder.casefold() for folder in settings.returned_folders}
    if settings.returned_disposal == "move" and settings.returned_folder.casefold() in read:
        faults["MAILROOM_RETURNED_FOLDER"] = (
            "MAILROOM_RETURNED_FOLDER must not be one of MAILROOM_RETURNED_FOLDERS: what was moved "
            "would be read again."
        )
    return faults
