"""Whether the submission service lets the mailboxes in. Nothing is sent."""

from collections.abc import Sequence

from shared.concurrency import run_bounded
from shared.delivery.envelope import Extensions
from shared.delivery.opening import SessionOpening
from shared.delivery.replies import Reply, read_reply
from shared.delivery.session import SessionError
from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import CredentialError

MOST = 20  # mailboxes that are looked at
_AT_ONCE = 5
_SERVICE = "service"


async def check_submission(patient: Patient) -> Sequence[Finding]:
    """Reaches the submission server with TLS, signs each mailbox in and offers a mail from it that
    is taken back: what Exchange Online judges at the end of a mail, as permission on the mailbox
    often is, only a delivery test shows."""
    opening = SessionOpening(patient.settings, patient.accounts)
    found: dict[str, list[Finding]] = {}

    async def look(mailbox: str) -> None:
        found[mailbox] = await _look(opening, mailbox)

    mailboxes = patient.settings.mailboxes
    first, *others = mailboxes[:MOST]
    await look(first)
    if found[first][0].check == "smtp.server" and found[first][0].severity > Severity.OK:
        return found[first]  # no mailbox would be let in
    await run_bounded(look, others, at_once=_AT_ONCE)
    findings = [*found[first], *(one for other in others for one in found[other][1:])]
    if len(mailboxes) > MOST:
        detail = f"Only the first {MOST} of {len(mailboxes)} mailboxes were signed in to."
        cause = "The doctor must not take sessions from the mail that is waiting."
        fix = "Run it with other MAILROOM_SENDERS for the rest."
        findings.append(
            Finding(
                check="smtp.sign-in", severity=Severity.NOTE, detail=detail, cause=cause, fix=fix
            )
        )
    return findings


async def _look(opening: SessionOpening, mailbox: str) -> list[Finding]:
    """What is found of the server, then of the mailbox."""
    try:
        sign_in = await opening.sign_in(mailbox, None)
    except CredentialError as error:
        return [
            Finding(
                check="smtp.server", severity=Severity.NOTE,
                detail="Not looked at: there is nothing to sign in with.",
                cause=error.detail, fix="See the findings about the credential and the token.",
            )
        ]  # fmt: skip
    try:
        session = await opening.open(sign_in)
    except SessionError as error:
        return [_reached(), _refused(error, mailbox)] if error.reply else [_unreached(error)]
    try:
        reply = await session.offer(mailbox)
    finally:
        await session.aclose()
    return [_offers(session.extensions), _judged(mailbox, reply)]


def _judged(mailbox: str, reply: Reply | None) -> Finding:
    """What came of an offer to send, by a mailbox that was signed in to."""
    if reply is None:
        reply = Reply(421, "The server said nothing to MAIL FROM.")
    if read_reply(reply).action == "done":
        detail = f"{mailbox} signs in, and may send."
        return Finding(check="smtp.sign-in", severity=Severity.OK, subject=mailbox, detail=detail)
    return _refused(
        SessionError(f"The server refused MAIL FROM: {reply}", stage="mail", reply=reply), mailbox
    )


def _reached() -> Finding:
    detail = "The server is reached, and its TLS certificate is valid."
    return Finding(check="smtp.server", severity=Severity.OK, detail=detail)


def _unreached(error: SessionError) -> Finding:
    return Finding(
        check="smtp.server", severity=Severity.ERROR, detail=error.detail,
        cause="The address is wrong, a network rule stands between, or the certificate is none "
        "that this machine trusts.",
        fix=f"{error.fix} See MAILROOM_SMTP_HOST, MAILROOM_SMTP_PORT and the outbound rules of the "
        "network.".lstrip(),
    )  # fmt: skip


def _refused(error: SessionError, mailbox: str) -> Finding:
    """A refusal with a reply: of this mailbox, or of everybody for now."""
    assert error.reply is not None
    meaning = read_reply(error.reply)
    for_now = meaning.action == "retry" and meaning.scope == _SERVICE
    return Finding(
        check="smtp.sign-in", severity=Severity.WARNING if for_now else Severity.ERROR,
        subject=mailbox, detail=error.detail,
        cause=f"The reply speaks of the {meaning.scope}.",
        fix=meaning.fix or "Wait, and examine again: the service does not take sessions now.",
    )  # fmt: skip


def _offers(offered: Extensions) -> Finding:
    """The server, by what it offers to those who have signed in."""
    expected = {
        "SIZE": offered.declares_size, "PIPELINING": offered.pipelining,
        "CHUNKING": offered.chunking, "DSN": offered.dsn, "SMTPUTF8": offered.smtputf8,
    }  # fmt: skip
    missing = [name for name, there in expected.items() if not there]
    if not missing:
        return _reached()
    return Finding(
        check="smtp.server", severity=Severity.NOTE,
        detail=f"The server is reached; it does not offer {', '.join(missing)}.",
        cause="Office 365 has offered these for years: another server, or something between that "
        "takes them out, as a firewall that inspects SMTP does.",
        fix="Mail goes all the same, more slowly; without SMTPUTF8 not to addresses beyond ASCII. "
        "Let port 587 pass uninspected.",
    )  # fmt: skip
