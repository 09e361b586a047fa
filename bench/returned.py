"""Reading returned mail, beside flufl.bounce: reports a second of one core.

Over the labelled mails where they are there (`../shared/bounces`), else over made-up ones.
flufl.bounce finds addresses alone; what it takes to parse the MIME with the standard library is
told apart, for it wants a parsed message.
"""

import asyncio
import contextlib
import email
import email.message
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shared.returned import parse_report

CORPUS = Path(__file__).parents[2] / "shared" / "bounces"
ROUNDS = 5
RUN_SECONDS = 1.0  # at least, for a round


async def run(console: Console) -> None:
    """Prints the table."""
    mails, source = await asyncio.to_thread(_mails)
    size = sum(map(len, mails)) / len(mails)
    console.print(
        f"{len(mails)} {source}, {size / 1000:.1f} KB on average; one core, best of {ROUNDS}.\n"
    )
    from flufl.bounce import all_failures

    parsed = [email.message_from_bytes(content) for content in mails]
    ours = await asyncio.to_thread(_rate, parse_report, mails)
    alone = await asyncio.to_thread(_rate, lambda message: _failures(all_failures, message), parsed)
    whole = await asyncio.to_thread(
        _rate, lambda raw: _failures(all_failures, email.message_from_bytes(raw)), mails
    )
    table = Table("", "reports a second", "Mailroom is")
    table.add_row("Mailroom: bytes to kind, recipients, status, reason", f"{ours:,.0f}", "")
    table.add_row("flufl.bounce: bytes to addresses", f"{whole:,.0f}", f"{ours / whole:.1f} ×")
    times = f"{ours / alone:.1f} ×"
    table.add_row("flufl.bounce: parsed message to addresses", f"{alone:,.0f}", times)
    console.print(table)


def _failures(find: Callable[..., object], message: email.message.Message) -> None:
    with contextlib.suppress(LookupError, ValueError, AttributeError):
        find(message)  # it raises on some mails, such as one without From


def _rate[T](read: Callable[[T], object], mails: Sequence[T]) -> float:
    """The best of some rounds, in processor time: other work on the machine counts little."""
    for item in mails:
        read(item)
    best = 0.0
    for _ in range(ROUNDS):
        count = 0
        started = time.process_time()
        while (taken := time.process_time() - started) < RUN_SECONDS:
            for item in mails:
                read(item)
            count += len(mails)
        best = max(best, count / taken)
    return best


def _mails() -> tuple[list[bytes], str]:
    real = [p.read_bytes() for p in sorted(CORPUS.glob("*/*.eml")) if p.parent.name != "negatives"]
    return (real, "real reports") if real else (_made_up(), "made-up reports")


HEAD = """\
Return-Path: <>
From: MAILER-DAEMON@mx.test
To: news@contoso.test
Subject: Undelivered Mail
"""
ORIGINAL = """\
Received: from a.test by b.test; Tue, 3 Mar 2026 09:30:00 +0100
From: news@contoso.test
To: {0}
Subject: Order
Message-ID: <{0}>

"""
FIELDS = """\
Reporting-MTA: dns; mx.test

Final-Recipient: rfc822; {0}
Action: failed
Status: {1}
Diagnostic-Code: smtp; {2}
"""
REPLIES = ("550 5.1.1 User unknown", "552 5.2.2 mailbox full", "554 5.7.1 blocked by policy")


def _made_up() -> list[bytes]:
    """Reports of two shapes, with and without a report part."""
    mails = []
    for n in range(300):
        address, reply = f"u{n}@fabrikam.test", REPLIES[n % 3]
        returned = ORIGINAL.format(address) + "Thank you.\n" * 300
        said = f"<{address}>:\nRemote host said: {reply}\n"
        plain = f"{HEAD}\n{said}\n--- Below this line is a copy of the message.\n\n{returned}"
        kinds = (
            ("text/plain", said),
            ("message/delivery-status", FIELDS.format(address, reply[4:9], reply)),
            ("message/rfc822", returned),
        )
        parts = "".join(f"\n--b\nContent-Type: {kind}\n\n{body}" for kind, body in kinds)
        kind = 'multipart/report; report-type=delivery-status; boundary="b"'
        mails += [plain.encode(), f"{HEAD}Content-Type: {kind}\n{parts}\n--b--\n".encode()]
    return mails
