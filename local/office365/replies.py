"""SMTP replies in Exchange Online's words (RFC 5321 §4.2, RFC 3463 for the enhanced codes).

The texts follow what public traces of smtp.office365.com show; where no trace is known the
RFC's code is used with a plain text. Clients should read codes, not texts.
"""

from dataclasses import dataclass, field
from typing import Literal

# The name of the front end and of the mailbox server that replies carry in brackets.
FRONT_END = "LOCAL1CA0001.outlook.office365.com"
MAILBOX_SERVER = "LOCAL1MB0001.namprd01.prod.outlook.com"

type After = Literal["", "close", "abort", "tls"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `text` holds the enhanced code and may have several lines (separated by LF).

    `after` is what becomes of the connection once the reply is sent: nothing, an orderly
    close, an abrupt one, or the TLS handshake. `silent` ones are not sent at all, `trickle`
    spreads the octets over so many seconds (faults).
    """

    code: int
    text: str
    after: After = ""
    silent: bool = False
    trickle: float = 0.0
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:  # noqa: PLR2004 - the range of RFC 5321
            raise ValueError(f"an SMTP reply code lies between 200 and 599, not {self.code}")
        lines = [_printable(line) for line in self.text.split("\n")]
        last = f"{self.code} {lines[-1]}\r\n"
        wire = "".join(f"{self.code}-{line}\r\n" for line in lines[:-1]) + last
        object.__setattr__(self, "wire", b"" if self.silent else wire.encode())

    @classmethod
    def parse(cls, line: str) -> "Reply":
        """Read `550 5.1.10 text` (one line) as a reply; ValueError says what is wrong."""
        code, _, text = line.strip().partition(" ")
        if not (code.isascii() and code.isdigit()) or len(code) != 3:  # noqa: PLR2004
            raise ValueError(f"a reply starts with three digits, as in '550 5.1.1 text': {line!r}")
        return cls(int(code), text)

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)[:900]


SENDER_OK = Reply(250, "2.1.0 Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5 Recipient OK")
START_INPUT = Reply(354, "Start mail input; end with <CRLF>.<CRLF>")
RESET = Reply(250, "2.0.0 Resetting")
OK = Reply(250, "2.0.0 OK")
QUIT = Reply(221, "2.0.0 Service closing transmission channel", "close")
TLS_READY = Reply(220, "2.0.0 SMTP server ready", "tls")
AUTHENTICATED = Reply(235, "2.7.0 Authentication successful")
VRFY = Reply(252, "2.1.5 Cannot VRFY user")
HELP = Reply(
    214,
    "This server supports the following commands:\n"
    "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT NOOP VRFY",
)
CHALLENGE = Reply(334, "")
USERNAME = Reply(334, "VXNlcm5hbWU6")
PASSWORD = Reply(334, "UGFzc3dvcmQ6")

UNRECOGNIZED = Reply(500, "5.3.3 Unrecognized command")
LINE_TOO_LONG = Reply(500, "5.5.2 Command line too long")
BARE_NEWLINE = Reply(500, "5.5.2 A command line ends with CRLF and holds no other CR or LF")
INVALID_ARGUMENTS = Reply(501, "5.5.4 Invalid arguments")
INVALID_CHUNK = Reply(501, "5.5.4 Invalid chunk size", "close")
INVALID_SENDER = Reply(501, "5.1.7 Invalid address")
INVALID_RECIPIENT = Reply(501, "5.1.3 Invalid address")
AUTH_CANCELLED = Reply(501, "5.7.0 Authentication cancelled")
SEND_HELLO = Reply(503, "5.5.2 Send hello first")
NEED_MAIL = Reply(503, "5.5.2 Need mail command")
NEED_RCPT = Reply(503, "5.5.2 Need rcpt command")
SENDER_GIVEN = Reply(503, "5.5.2 Sender already specified")
BAD_SEQUENCE = Reply(503, "5.5.2 Bad sequence of commands")
BINARY_NEEDS_BDAT = Reply(503, "5.5.1 A BINARYMIME message is sent with BDAT, not DATA")
DATA_AFTER_BDAT = Reply(503, "5.5.1 DATA cannot follow BDAT in one transaction")
STARTTLS_NOT_LAST = Reply(503, "5.5.1 STARTTLS must be the last command of its group", "close")
UNKNOWN_MECHANISM = Reply(504, "5.7.4 Unrecognized authentication type")
NOT_AUTHENTICATED = Reply(
    530, f"5.7.57 Client not authenticated to send mail. [{MAILBOX_SERVER.upper()}]"
)
UTF8_NEEDED = Reply(553, "5.6.7 An address with non-ASCII characters needs the SMTPUTF8 parameter")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3 Too many recipients")
TOO_BIG = Reply(552, "5.3.4 Message size exceeds fixed maximum message size")
TOO_MANY_ERRORS = Reply(
    421, "4.7.0 Too many errors on this connection, closing transmission channel", "close"
)
TOO_MANY_LOGINS = Reply(
    421, "4.7.0 Too many failed authentication attempts, closing transmission channel", "close"
)
TIMED_OUT = Reply(421, "4.4.1 Connection timed out", "close")
NOT_ACTIVE = Reply(421, "4.3.2 Service not active", "close")
TOKEN_EXPIRED = Reply(
    421, "4.7.0 The access token has expired, closing transmission channel", "close"
)
INTERNAL_ERROR = Reply(451, "4.7.0 Temporary server error. Please try again later.", "close")

CONCURRENCY = Reply(
    432,
    f"4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname={MAILBOX_SERVER}]",
)
LOGON_FAILED = Reply(
    430,
    "4.2.0 STOREDRV; mailbox logon failure; STOREDRV.Submission.Exception:"
    "ConnectionFailedTransientException.MapiExceptionLogonFailed; Failed to process message due "
    "to a transient exception with message [BeginDiagnosticData]Cannot open mailbox. "
    f"[EndDiagnosticData] [Hostname={MAILBOX_SERVER}]",
)
QUOTA_EXCEEDED = Reply(
    554,
    "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process "
    "message due to a permanent exception with message The message can't be submitted because "
    f"the sender's submission quota was exceeded. [Hostname={MAILBOX_SERVER}]",
)
TENANT_LIMIT = Reply(
    550,
    "5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending "
    "email to external recipients (tenant external recipient rate limit).",
)
ONMICROSOFT_LIMIT = Reply(
    550,
    "5.7.236 Your message can't be sent because your tenant exceeded its daily limit for sending "
    "email to external recipients from an onmicrosoft.com domain.",
)

# Not replies: the connection is cut, or goes on, without a word.
CUT = Reply(421, "4.4.2 Connection dropped", "abort", silent=True)
SILENCE = Reply(250, "2.0.0 OK", silent=True)


def accepted(message_id: str) -> Reply:
    """The reply to an accepted message; `message_id` comes with its angle brackets."""
    return Reply(250, f"2.0.0 OK {message_id} [Hostname={MAILBOX_SERVER}]")


def chunk_received(octets: int) -> Reply:
    """The reply to a chunk that is not the last one (RFC 3030 §2)."""
    return Reply(250, f"2.6.0 {octets} octets received")


def send_as_denied(mailbox: str, address: str) -> Reply:
    """The mailbox may not send as this address (of MAIL FROM or of the From field)."""
    return Reply(
        554,
        f"5.2.252 SendAsDenied; {mailbox} not allowed to send as {address}; "
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed "
        "to process message due to a permanent exception with message [BeginDiagnosticData]"
        f"Cannot submit message. [EndDiagnosticData] [Hostname={MAILBOX_SERVER}]",
    )


def unsupported_parameter(name: str) -> Reply:
    """An unknown parameter of MAIL or RCPT (RFC 5321 §4.1.1.11)."""
    return Reply(555, f"5.5.4 Unsupported option: {name}")


def authentication_refused(reason: str, stamp: str) -> Reply:
    """`reason` starts with the enhanced code; `stamp` is the time and the session's id."""
    return Reply(535, f"{reason} [{MAILBOX_SERVER.upper()} {stamp}]")


UNSUCCESSFUL = "5.7.3 Authentication unsuccessful"
SMTP_AUTH_OFF_MAILBOX = (
    "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. "
    "Visit https://aka.ms/smtp_auth_disabled for more information."
)
SMTP_AUTH_OFF_TENANT = SMTP_AUTH_OFF_MAILBOX.replace("Mailbox", "Tenant")
BASIC_AUTH_OFF = "5.7.139 Authentication unsuccessful, basic authentication is disabled."
