"""Whether the mailboxes that bounces come back to can be read. Nothing in them is changed."""

from collections.abc import Sequence
from typing import Protocol

from shared.concurrency import run_bounded
from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import CredentialError, InboxError, InboxUnavailableError
from shared.inbox.opening import open_source

MOST = 20  # mailboxes that are looked at
_TIMEOUT = 6.0  # seconds for an answer: the doctor has 20 for everything
_AT_ONCE = 4


class FindsFolders(Protocol):
    """A mailbox that is open."""

    async def has_folder(self, folder: str) -> bool: ...


async def check_returned_mail(patient: Patient) -> Sequence[Finding]:
    """Opens each mailbox that bounces come back to, as the reader of returned mail does, and looks
    for its folders."""
    settings = patient.settings
    if settings.returned_mail == "off":
        return [_off()]
    source = open_source(
        settings, patient.accounts.tokens, clock=patient.clock, only_reads=True, timeout=_TIMEOUT
    )

    async def look(mailbox: str) -> Finding:
        try:
            async with source.open(mailbox) as opened:
                return _judged(mailbox, await _missing(opened, settings.returned_folders))
        except (InboxError, CredentialError) as error:
            return _refused(mailbox, error)

    mailboxes = settings.read_mailboxes
    findings = await run_bounded(look, mailboxes[:MOST], at_once=_AT_ONCE)
    if len(mailboxes) > MOST:
        findings.append(_beyond(len(mailboxes)))
    return findings


async def _missing(opened: FindsFolders, folders: Sequence[str]) -> list[str]:
    """Those of the folders that the mailbox does not have."""
    return [folder for folder in folders if not await opened.has_folder(folder)]


def _judged(mailbox: str, missing: Sequence[str]) -> Finding:
    if not missing:
        return Finding(
            check="returned-mail.read", severity=Severity.OK, subject=mailbox,
            detail=f"{mailbox} can be read, and has its folders.",
        )  # fmt: skip
    return Finding(
        check="returned-mail.folders", severity=Severity.WARNING, subject=mailbox,
        detail=f"{mailbox} can be read, but has no folder {', '.join(missing)}.",
        cause="The mailbox names its folders in another language, or nobody has made them.",
        fix="Set MAILROOM_RETURNED_FOLDERS to the mailbox's own names; "
        "MAILROOM_RETURNED_MAIL=graph finds inbox and junk mail in any language.",
    )  # fmt: skip


def _refused(mailbox: str, error: InboxError | CredentialError) -> Finding:
    for_now = isinstance(error, InboxUnavailableError)
    return Finding(
        check="returned-mail.read", severity=Severity.WARNING if for_now else Severity.ERROR,
        subject=mailbox, detail=error.detail,
        cause="The service does not answer now." if for_now
        else "The app may not read this mailbox, or it is none.",
        fix=error.fix or "Examine again in some minutes; mail that comes meanwhile is read later.",
    )  # fmt: skip


def _off() -> Finding:
    return Finding(
        check="returned-mail.read", severity=Severity.NOTE,
        detail="The mailboxes are not read (MAILROOM_RETURNED_MAIL is off).",
        cause="Bounces, complaints and requests to unsubscribe by mail are not seen: dead "
        "addresses are sent to again and again.",
        fix="Set MAILROOM_RETURNED_MAIL=graph and give the app Application Mail.Read on the "
        "mailboxes (infra/exchange).",
    )  # fmt: skip


def _beyond(count: int) -> Finding:
    return Finding(
        check="returned-mail.read", severity=Severity.NOTE,
        detail=f"Only the first {MOST} of {count} mailboxes were opened.",
        cause="The doctor asks for 20 seconds at most.",
        fix="Run it with other MAILROOM_RETURNED_MAILBOXES for the rest.",
    )  # fmt: skip
