"""What a submission server's replies mean: one table, read from the top, first match wins.

Sources: https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/
non-delivery-reports-in-exchange-online/non-delivery-reports-in-exchange-online,
https://learn.microsoft.com/en-us/exchange/troubleshoot/send-emails/smtp-submission-improvements,
https://learn.microsoft.com/en-us/defender-office-365/outbound-spam-sending-limits-troubleshoot,
RFC 3463 and RFC 5321 section 4.2.
"""

import re
from dataclasses import dataclass
from typing import Literal

# What follows from a reply for the message, or for the one recipient it is about.
Action = Literal[
    "done",  # accepted
    "retry",  # later
    "fail",  # never
    "credentials",  # a fresh token, once; then an operator
]
# What the reply speaks of.
Scope = Literal["recipient", "message", "mailbox", "tenant", "service"]

_ENHANCED = re.compile(r"^([245])\.(\d{1,3})\.(\d{1,3})\b")
_SERVER_ID = re.compile(r"<([^<>\s]{3,300})>")
_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, and text with the lines of a multi-line reply joined by line ends."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), or "" if the reply has none."""
        found = _ENHANCED.match(self.text)
        return found.group() if found else ""

    @property
    def status(self) -> str:
        """The most specific code there is: the enhanced one, else the three digits."""
        return self.enhanced or str(self.code)

    @property
    def server_id(self) -> str:
        """The message id in `250 2.0.0 OK <id> [Hostname=…]`, with brackets, or ""."""
        found = _SERVER_ID.search(self.text)
        return found.group() if found and self.code == 250 else ""  # noqa: PLR2004

    def __str__(self) -> str:
        text = " ".join("".join(c if c.isprintable() else " " for c in self.text).split())
        return f"{self.code} {text}"[:_MAX_TEXT]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is to be done about a reply; `fix` is for the operator, "" if nothing is needed.

    dead: nobody will ever be reached under this address; no mail should be sent to it again.
    """

    action: Action
    scope: Scope
    fix: str = ""
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Which replies have a meaning."""

    codes: str  # a pattern for the three digits
    enhanced: str  # a pattern for the enhanced code, "" for any or none
    text: str  # a pattern that the text must hold, "" for any
    meaning: Meaning


_SEND_AS = (
    "Give the app SendAs on this From address (Add-RecipientPermission … -AccessRights SendAs, or "
    "the scope of its RBAC role), or let the mailbox send from its aliases "
    "(Set-OrganizationConfig -SendFromAliasEnabled $true)."
)
_MAILBOX_ACCESS = (
    "Check the app's permission on this mailbox: Add-MailboxPermission … -AccessRights FullAccess "
    "with the enterprise application's object id, or the scope of its RBAC role (changes take up "
    "to 2 hours)."
)

_NO_SUCH = "No such address: correct it, or stop sending to it."
_PASSWORD = Meaning(
    "fail", "mailbox", "A password was used: Mailroom must sign in with OAuth2 (XOAUTH2)."
)
_QUOTA = Meaning(
    "retry",
    "mailbox",
    "The mailbox has used up its 10,000 recipients of 24 hours: wait, or add a mailbox.",
)

RULES = (
    # Signing in.
    Rule("535", r"5\.7\.139", "SmtpClientAuthentication is disabled", Meaning(
        "fail", "mailbox",
        "Switch SMTP AUTH on for the mailbox: Set-CASMailbox -SmtpClientAuthenticationDisabled "
        "$false (and Set-TransportConfig for the tenant).")),
    Rule("535", r"5\.7\.139", "basic auth", _PASSWORD),
    Rule("5..", r"5\.7\.30", "", _PASSWORD),
    Rule("535", r"5\.7\.139", "", Meaning(
        "fail", "tenant",
        "A conditional access or authentication policy, or security defaults, refuse this sign-in: "
        "exclude the app's service principal.")),
    Rule("535", r"5\.7\.14[2-4]", "", Meaning(
        "credentials", "mailbox",
        "High Volume Email refused the token: grant the app Mail.Send and run Add-HVEAppAccess.")),
    Rule("501", r"5\.5\.127", "", Meaning(
        "credentials", "mailbox",
        "High Volume Email's token is about to expire: a fresh one is fetched for the next try.")),
    Rule("535", "", "", Meaning(
        "credentials", "mailbox",
        "Office 365 refused the token. Check: the service principal in Exchange has the "
        "enterprise application's object id (not the app registration's); the scope is "
        "https://outlook.office365.com/.default; SMTP.SendAsApp is granted with admin consent, or "
        "the RBAC role is assigned; the mailbox exists.")),
    Rule("530", r"5\.7\.57", "", Meaning("retry", "service", "The session was not signed in.")),
    # The mailbox.
    Rule("430", r"4\.2\.0", "MapiExceptionLogonFailed|mailbox logon failure", Meaning(
        "fail", "mailbox", _MAILBOX_ACCESS)),  # looks transient, is not
    Rule("432", r"4\.3\.2", "recipient thread limit", Meaning("retry", "recipient")),
    Rule("432", "", "", Meaning(
        "retry", "mailbox",
        "More than 3 connections use this mailbox: something besides Mailroom sends through it.")),
    # 5.2.252 means one thing with 550 and another with 554, and both may name SendAsDenied.
    Rule("550", r"5\.2\.25[1-5]", "", Meaning(
        "retry", "mailbox",
        "Exchange Online has blocked this mailbox for a time after many failed submissions; "
        "support cannot lift it. Mend the cause of the failures and wait.")),
    Rule("55.", r"5\.2\.252|5\.7\.60", "", Meaning("fail", "message", _SEND_AS)),
    Rule("55.", "", "SendAsDenied", Meaning("fail", "message", _SEND_AS)),
    Rule("55.", "", "SubmissionQuotaExceeded|Submission quota exceeded", _QUOTA),
    Rule("55.", r"5\.1\.90", "", _QUOTA),
    Rule("554", r"5\.2\.2", "QuotaExceeded|mailbox full", Meaning(
        "fail", "mailbox",
        "The mailbox is full: empty Sent Items, and run Set-Mailbox "
        "-MessageCopyForSMTPClientSubmissionEnabled $false.")),
    Rule("55.", r"5\.1\.8|5\.7\.50[1-3]", "", Meaning(
        "fail", "mailbox",
        "The mailbox is restricted for sending spam: see Restricted entities in the Defender "
        "portal.")),
    # The tenant.
    Rule("55.", r"5\.7\.(233|232)", "", Meaning(
        "retry", "tenant",
        "The tenant has used up its external recipients of 24 hours (TERRL): wait, or send less.")),
    Rule("55.", r"5\.7\.236", "", Meaning(
        "retry", "tenant",
        "*.onmicrosoft.com senders may reach 100 external recipients in 24 hours: send from a "
        "domain of your own.")),
    Rule("55.", r"5\.7\.(705|708|750)", "", Meaning(
        "fail", "tenant",
        "Exchange Online has barred the tenant, or the From domain is not registered in it: add "
        "the domain, or ask Microsoft support.")),
    Rule("55.", r"5\.7\.240", "", Meaning(
        "fail", "mailbox", "Put the app on High Volume Email's allow-list (Add-HVEAppAccess).")),
    # The recipient.
    Rule("55.", r"5\.2\.12[12]", "", Meaning("retry", "recipient")),
    Rule("452", r"4\.5\.3", "", Meaning("retry", "recipient")),
    Rule("55.|501", r"5\.1\.(1|2|3|6|10)", "", Meaning(
        "fail", "recipient", _NO_SUCH, dead=True)),
    Rule("55.|501", r"5\.4\.1", "address rejected", Meaning(
        "fail", "recipient", _NO_SUCH, dead=True)),
    Rule("55.|501", r"5\.4\.1", "", Meaning("fail", "recipient", _NO_SUCH)),
    Rule("552", r"5\.2\.2", "", Meaning("fail", "recipient", "The recipient's mailbox is full.")),
    # The message.
    Rule("552", "", "", Meaning(
        "fail", "message",
        "The message is larger than the mailbox's MaxSendSize: Set-Mailbox -MaxSendSize, or lower "
        "MAILROOM_SIZE_LIMIT so that such messages are refused at once.")),
    Rule("55.", r"5\.7\.(1|26|515)", "", Meaning(
        "fail", "message",
        "Refused by policy: check the sending domain's SPF, DKIM and DMARC, and the mail-flow "
        "rules.")),
    # Anything else, by its class (RFC 5321 section 4.2.1).
    Rule("4..", "", "", Meaning("retry", "service")),
    Rule("5..", "", "", Meaning("fail", "message")),
)  # fmt: skip

_DONE = Meaning("done", "message")
_OUT_OF_ORDER = Meaning("retry", "service", "The server answered out of order.")


def read_reply(reply: Reply, *, at_recipient: bool = False) -> Meaning:
    """What a reply means; `at_recipient` where it answers RCPT, and so is about that recipient
    unless it speaks of mailbox or tenant."""
    if 200 <= reply.code < 300:  # noqa: PLR2004 (nearly every reply)
        return _DONE
    for rule in RULES:
        if (
            re.fullmatch(rule.codes, str(reply.code))
            and (not rule.enhanced or re.fullmatch(rule.enhanced, reply.enhanced))
            and (not rule.text or re.search(rule.text, reply.text, re.IGNORECASE))
        ):
            meaning = rule.meaning
            if at_recipient and meaning.scope in {"message", "service"}:
                return Meaning(meaning.action, "recipient", meaning.fix)
            return meaning
    return _OUT_OF_ORDER
