"""One sender of the delivery benchmark, in a process of its own.

It reads an Order as JSON from standard input, sends for that long, and prints its figures as JSON.
"""

import asyncio
import itertools
import json
import resource
import smtplib
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

import aiosmtplib

from shared.composing import PartsCache, compose
from shared.delivery.pool import SessionPool
from shared.delivery.session import Mail, SignIn, SmtpSession, open_session, tls_context
from shared.delivery.submission import SubmissionServer
from shared.messages.model import Address, Attachment, Message

SENDER, RECIPIENT = "billing@contoso.test", "ana@example.com"
DATE = datetime(2026, 12, 1, tzinfo=UTC)
WARM = 2  # messages of each session before the clock starts

# A job sends one more message.
type Job = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, and for how many seconds. attachment: octets, 0 for none.

    composing: whether each message is composed anew, or one that was composed before is sent again
    and again. sessions: connections, which are kept (smtplib: one, made anew for each message).
    """

    sender: str
    port: int
    ca: str
    token: str
    seconds: float
    sessions: int
    text: str
    attachment: int
    composing: bool

    @property
    def file(self) -> bytes:
        """The attachment's content."""
        return bytes(itertools.islice(itertools.cycle(range(251)), self.attachment))


def contents(order: Order) -> Callable[[], bytes]:
    """Gives the content of one message after the other; the same for all senders if not composed
    anew for each."""
    if not order.composing:
        ready = mailroom_writer(order)(0)
        return lambda: ready
    numbers = itertools.count()
    own = order.sender.startswith("mailroom")
    write = mailroom_writer(order) if own else email_message_writer(order)
    return lambda: write(next(numbers))


def mailroom_writer(order: Order) -> Callable[[int], bytes]:
    """Mailroom's own; `mailroom-batch` encodes what the messages share once."""
    file = order.file
    cache = PartsCache() if order.sender == "mailroom-batch" else None
    attachments = (Attachment(name="report.bin", content=file),) if file else ()
    message = Message(
        sender=Address(email=SENDER), to=(Address(email=RECIPIENT),),
        subject="Your invoice", text=order.text, attachments=attachments,
    )  # fmt: skip

    def write(number: int) -> bytes:
        one = message.model_copy(update={"subject": f"Your invoice {number}"})
        return compose(one, message_id=_message_id(number), date=DATE, parts=cache).content

    return write


def email_message_writer(order: Order) -> Callable[[int], bytes]:
    """The standard library's, as its documentation shows it."""
    file = order.file

    def write(number: int) -> bytes:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"], mail["To"] = SENDER, RECIPIENT
        mail["Subject"] = f"Your invoice {number}"
        mail["Date"], mail["Message-ID"] = format_datetime(DATE), _message_id(number)
        mail.set_content(order.text)
        if file:
            mail.add_attachment(
                file, maintype="application", subtype="octet-stream", filename="report.bin"
            )
        return mail.as_bytes()

    return write


def _message_id(number: int) -> str:
    return f"<{number}@contoso.test>"


class _Permits:
    """Leave for every session: this process is alone."""

    async def allow(self, mailbox: str, sessions: int) -> int:  # noqa: ARG002 (the Protocol's)
        return sessions

    async def keep(self, mailboxes: Collection[str]) -> list[str]:  # noqa: ARG002 (likewise)
        return []


@asynccontextmanager
async def mailroom(order: Order) -> AsyncIterator[list[Job]]:
    """Mailroom's sender: sessions from its pool, each message in a flight."""
    server = SubmissionServer("localhost", order.port, scope="")
    tls = tls_context()
    tls.load_verify_locations(order.ca)

    async def sign_in(mailbox: str, _: SignIn | None) -> SignIn:
        return SignIn(mailbox, order.token)

    async def opened(one: SignIn) -> SmtpSession:
        return await open_session(server, one, tls=tls, timeout=30)

    pool = SessionPool(
        opened, sign_in, permits=_Permits(), size=order.sessions, clock=lambda: datetime.now(UTC)
    )
    content = contents(order)

    async def send() -> None:
        async with pool.session(SENDER) as session:
            handover = await session.hand_over(Mail(SENDER, (RECIPIENT,), content()))
        assert handover.accepted, handover

    yield [send] * order.sessions
    await pool.aclose()


@asynccontextmanager
async def aiosmtplib_reused(order: Order) -> AsyncIterator[list[Job]]:
    """aiosmtplib, a connection for each task, kept."""
    content = contents(order)
    tls = ssl.create_default_context(cafile=order.ca)
    clients = [
        aiosmtplib.SMTP(hostname="localhost", port=order.port, start_tls=True, tls_context=tls)
        for _ in range(order.sessions)
    ]

    def job(client: aiosmtplib.SMTP) -> Job:
        return lambda: client.sendmail(SENDER, [RECIPIENT], content())

    for client in clients:
        await client.connect()
        await client.auth_xoauth2(SENDER, order.token)
    yield [job(client) for client in clients]
    for client in clients:
        await client.quit()


@asynccontextmanager
async def smtplib_anew(order: Order) -> AsyncIterator[list[Job]]:
    """smtplib, a connection for each message, one after the other."""
    content = contents(order)
    tls = ssl.create_default_context(cafile=order.ca)
    answer = f"user={SENDER}\x01auth=Bearer {order.token}\x01\x01"

    async def send() -> None:
        with smtplib.SMTP("localhost", order.port) as smtp:
            smtp.starttls(context=tls)
            smtp.ehlo()
            smtp.auth("XOAUTH2", lambda _=None: answer)
            smtp.sendmail(SENDER, [RECIPIENT], content())

    yield [send]


SENDERS = {
    "mailroom": mailroom,
    "mailroom-batch": mailroom,
    "aiosmtplib": aiosmtplib_reused,
    "smtplib": smtplib_anew,
}


async def measure(order: Order) -> dict[str, float]:
    """Messages, the seconds and CPU seconds that they took, and the MB of memory at the most."""

    async def work(job: Job, until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            await job()
            done += 1
        return done

    async with SENDERS[order.sender](order) as jobs:
        for _ in range(WARM):
            await asyncio.gather(*(job() for job in jobs))
        cpu, started = time.process_time(), time.perf_counter()
        done = await asyncio.gather(*(work(job, started + order.seconds) for job in jobs))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"messages": sum(done), "seconds": seconds, "cpu": cpu, "peak": peak}


def main() -> None:
    order = Order(**json.load(sys.stdin))
    print(json.dumps(asyncio.run(measure(order))))


if __name__ == "__main__":
    main()
