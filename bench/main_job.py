"""The main job: messages a second and CPU from the queue to the server's 250, and what the storage
transactions cost, beside a naive sender in the same run.

The servers (storage, Entra ID, Key Vault, Office 365) run in processes other than the measured one.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass

import aiohttp
import psutil
from azure.storage.queue.aio import QueueClient
from rich.console import Console
from rich.table import Table

from local.azurite.access_log import Operation
from local.office365 import Limits
from local.stack import ROOT, LocalStack, StackOptions

MESSAGES = 1000
POSTED = 500
NAIVE_MESSAGES = 60  # enough for a rate; the rest would only take time
TEXT = "Dear Ana,\n\n" + "your invoice is ready. " * 80 + "\n"

# US dollars for 10,000 operations: public pay-as-you-go prices (LRS) as noted in 2026-11; they
# differ by region and change: check them before you rely on the sum.
# https://azure.microsoft.com/pricing/details/storage/tables/ …/queues/ …/blobs/
PRICE_PER_10_000 = {"table": 0.00036, "queue": 0.004, "blob": 0.054, "account": 0.004}


@dataclass(frozen=True, slots=True)
class Run:
    """One sender's figures. cpu: seconds of its own process."""

    name: str
    messages: int
    seconds: float
    cpu: float

    def cells(self, peer: "Run") -> tuple[str, ...]:
        rate, peer_rate = self.messages / self.seconds, peer.messages / peer.seconds
        cpu, peer_cpu = self.cpu / self.messages * 1000, peer.cpu / peer.messages * 1000
        return (
            self.name, str(self.messages), f"{rate:.1f}", f"{rate / peer_rate:.1f}",
            f"{cpu:.1f}", f"{cpu / peer_cpu:.2f}",
        )  # fmt: skip


async def run(console: Console) -> None:
    """Prints the two tables."""
    stack = LocalStack(StackOptions(limits=Limits.unlimited(), keep="ids", count_storage=True))
    try:
        await stack.start_services()
        naive = await _naive(stack)
        mailroom, transactions = await _mailroom(stack)
        accepted = await _accepted(stack)
    finally:
        await stack.stop()
    table = Table(
        "sender", "messages", "a second", "× naive", "CPU s per 1,000", "× naive",
        title="2 KB messages from the queue to 250",
    )  # fmt: skip
    for one in (naive, mailroom):
        table.add_row(*one.cells(naive))
    console.print(table)
    console.print(
        "naive: for each message a new MSAL application and token, a new smtplib connection, "
        "EmailMessage; no queue, no record.\nmailroom: the whole app in the local Functions host, "
        "whose own work (taking from the queue) counts too.\n"
    )
    _print_transactions(console, "from the queue to the final status", transactions, MESSAGES)
    _print_transactions(console, "from POST to the final status", accepted, POSTED)


def _print_transactions(
    console: Console, title: str, transactions: Counter[Operation], messages: int
) -> None:
    table = Table("service", "operation", "a message", title=f"Storage transactions, {title}")
    cost = 0.0
    for operation, count in sorted(transactions.items()):
        table.add_row(operation.service, operation.name, f"{count / messages:.2f}")
        cost += count / messages * 1000 * PRICE_PER_10_000[operation.service] / 10_000
    total = sum(transactions.values()) / messages
    console.print(table, f"{total:.2f} a message; at list prices 1,000 messages cost ${cost:.4f}.")


async def _mailroom(stack: LocalStack) -> tuple[Run, Counter[Operation]]:
    """A queue full of messages, then the host is started."""
    async with QueueClient.from_connection_string(
        stack.azurite.connection_string, "outbound-mail"
    ) as queue:
        for start in range(0, MESSAGES, 50):
            await asyncio.gather(*(queue.send_message(_json(n)) for n in range(start, start + 50)))
    before = stack.azurite.requests()
    done_before = stack.office365.counters.messages
    await stack.start_host()
    process = psutil.Process(stack.host.pid)
    first = await _count(stack, done_before + 50)  # warm: imports, token, sessions
    cpu, started = _cpu(process), time.perf_counter()
    last = await _count(stack, done_before + MESSAGES)
    seconds, used = time.perf_counter() - started, _cpu(process) - cpu
    await asyncio.sleep(1)  # the last outcomes are still being written
    run = Run("mailroom", last - first, seconds, used)
    after = stack.azurite.requests()
    after.subtract(before)
    polls = Counter({op: n for op, n in after.items() if n > MESSAGES / 100})
    return run, polls


async def _accepted(stack: LocalStack) -> Counter[Operation]:
    """What messages cost that are posted to the API, the governor's reservations included."""
    before = stack.azurite.requests()
    done = stack.office365.counters.messages
    gate = asyncio.Semaphore(8)
    async with aiohttp.ClientSession(headers=stack.headers) as client:

        async def post(number: int) -> None:
            message = json.loads(_json(number))
            del message["id"]
            async with gate, client.post(f"{stack.url}/messages", json=message) as response:
                assert response.status == 202, await response.text()

        await asyncio.gather(*(post(number) for number in range(POSTED)))
        await _count(stack, done + POSTED)
    await asyncio.sleep(1)  # the last outcomes are still being written
    after = stack.azurite.requests()
    after.subtract(before)
    return Counter({op: n for op, n in after.items() if n > POSTED / 100})


async def _count(stack: LocalStack, count: int) -> int:
    while stack.office365.counters.messages < count:  # noqa: ASYNC110 (a count has no event)
        await asyncio.sleep(0.01)
    return stack.office365.counters.messages


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _naive(stack: LocalStack) -> Run:
    environment = {
        **os.environ,
        **stack.app_settings(),
        "NAIVE_SECRET": stack.vault.store.get("mailroom-credential").value,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.naive", str(NAIVE_MESSAGES),
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    figures = json.loads(output)
    return Run("naive", NAIVE_MESSAGES, figures["seconds"], figures["cpu"])


def _json(number: int) -> str:
    return json.dumps(
        {
            "id": f"bench-{number}",
            "from": {"email": "billing@contoso.test", "name": "Contoso Billing"},
            "to": [{"email": f"reader-{number}@example.com", "name": "Ana"}],
            "subject": f"Your invoice {number}",
            "text": TEXT,
        }
    )
