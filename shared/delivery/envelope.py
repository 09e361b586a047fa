"""The envelope of a mail: what a server can do, and the commands that fit it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.delivery.replies import Reply

# Whatever ends a line ends a command. The addresses were validated long before; this is the last
# place where one that was not could do harm.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Mail:
    """What is handed over: envelope and content (CRLF line ends, no dot-stuffing).

    envelope_id: for the DSN parameter ENVID (RFC 3461).
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    smtputf8: bool = False
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the server's EHLO offered. size: 0 where it names no limit (RFC 1870)."""

    size: int = 0
    declares_size: bool = False
    pipelining: bool = False
    chunking: bool = False
    dsn: bool = False
    smtputf8: bool = False

    @classmethod
    def read(cls, keywords: Mapping[str, str]) -> "Extensions":
        """From the keywords of EHLO, in lower case, with their parameters."""
        size = keywords.get("size", "")
        return cls(
            size=int(size) if size.isascii() and size.isdigit() else 0,
            declares_size="size" in keywords,
            pipelining="pipelining" in keywords,
            chunking="chunking" in keywords,
            dsn="dsn" in keywords,
            smtputf8="smtputf8" in keywords,
        )


def foreseen_refusal(mail: Mail, extensions: Extensions) -> Reply | None:
    """The reply that the server would give for the whole mail, where its EHLO already told."""
    if 0 < extensions.size < len(mail.content):
        return Reply(552, f"5.3.4 The server takes {extensions.size} bytes at most")
    if mail.smtputf8 and not extensions.smtputf8:
        return Reply(553, "5.6.7 The server takes no internationalised addresses")
    if _CONTROL.search(mail.sender):
        return Reply(553, "5.1.7 The sender's address holds a control character")
    return None


def foreseen_refusals(mail: Mail) -> dict[str, Reply]:
    """The recipients that cannot be written into a command."""
    reply = Reply(553, "5.1.3 The address holds a control character")
    return {address: reply for address in mail.recipients if _CONTROL.search(address)}


def mail_command(mail: Mail, extensions: Extensions) -> bytes:
    """MAIL with its line end."""
    parts = [f"MAIL FROM:<{mail.sender}>"]
    if extensions.declares_size:
        parts.append(f"SIZE={len(mail.content)}")
    if mail.smtputf8:
        parts.append("BODY=8BITMIME SMTPUTF8")
    if extensions.dsn:
        parts.append("RET=HDRS")
        if mail.envelope_id:
            parts.append(f"ENVID={_xtext(mail.envelope_id)}")
    return f"{' '.join(parts)}\r\n".encode()


def rcpt_command(recipient: str, extensions: Extensions) -> bytes:
    """RCPT with its line end."""
    if not extensions.dsn:
        return f"RCPT TO:<{recipient}>\r\n".encode()
    kind = "rfc822" if recipient.isascii() else "utf-8"
    original = f"{kind};{_xtext(recipient)}"
    return f"RCPT TO:<{recipient}> NOTIFY=FAILURE,DELAY ORCPT={original}\r\n".encode()


_XTEXT = re.compile(r"[!-*,-<>-~]*")


def _xtext(text: str) -> str:
    """RFC 3461 section 4 (xtext); RFC 6533 section 3 for what is not ASCII."""
    if _XTEXT.fullmatch(text):  # nearly every address
        return text
    return "".join(
        c
        if "!" <= c <= "~" and c not in "+="
        else (f"+{ord(c):02X}" if c.isascii() else f"\\x{{{ord(c):X}}}")
        for c in text
    )
