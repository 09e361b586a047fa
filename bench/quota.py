"""The quota governor and the app's waiting line over simulated time: what they use of the limits,
how long each lane waits, and what that costs.

20 mailboxes, 3 instances with a governor and a gate each over one table and the queues in memory,
fed by the local host's listeners as `host.json` sets them; the local stack's model of Office 365's
limits is the judge. The clock is simulated.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random

from rich.console import Console
from rich.table import Table

from bench.fleet import Instance, Post, Server, Suppressed, fleet
from bench.virtual import MemoryTable, run_virtual
from local.office365.tenant import Limits
from shared.quota import Demand, Lane, QuotaLimits
from shared.quota.limits import tenant_external_limit

MAILBOXES = tuple(f"sender-{n:02}@contoso.test" for n in range(20))
INSTANCES = 3
MINUTES = 60
RATE = 30  # messages a minute and mailbox
LICENCES = 1000
SUPPRESSED = 100_000  # addresses, none of which mail goes to
EXTERNAL = 0.7  # of the messages go to an external recipient
LANES: tuple[Lane, ...] = ("high", "normal", "low")
CAPACITY = RATE * len(MAILBOXES) * MINUTES
SEED = 20261102

BLOCKED = MAILBOXES[7]
BLOCK_FROM, BLOCK_UNTIL = 15.0, 30.0  # minutes

type Feed = Callable[["Fleet"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who accepts messages, from which pool they go, and by chance."""

    instances: list[Instance]
    pool: tuple[str, ...]
    random: Random

    async def accept(self, lane: Lane, count: int) -> None:
        """A batch, as `POST /api/messages/batch` takes it."""
        instance = self.random.choice(self.instances)
        external = [int(self.random.random() < EXTERNAL) for _ in range(count)]
        demands = [Demand(recipients=1, external=number, lane=lane) for number in external]
        await instance.post.accept(instance.governor, instance.check, self.pool, demands, lane)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one simulation."""

    server: Server
    post: Post
    table: MemoryTable
    suppressions: MemoryTable
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        return len(self.server.taken)

    @property
    def passes(self) -> list[int]:
        """How often each message that was sent had come to a function."""
        return [message.passes for _, _, message in self.server.taken]

    def costs(self) -> dict[str, float]:
        """Storage transactions of a message from acceptance to its final status. What was done for
        messages that still wait is not counted: their record, and their queue message."""
        queue, ledger, table = (
            self.post.queues.transactions, self.post.ledger, self.table.transactions
        )  # fmt: skip
        waiting = len(self.post.messages) - self.sent
        costs = {
            "record: written, claimed, ended": ledger["write"] - waiting,
            "record: read": ledger["read"],
            "queue: sent": queue["send"] - waiting,
            "queue: received": queue["receive"],
            "queue: deleted, renewed": queue["delete"] + queue["update"],
            "quotas: written": table["write"],
            "quotas: read": table["query"] + table["read"],
            "suppressions: read": self.suppressions.transactions["read"],
        }
        return {name: count / self.sent for name, count in costs.items()}


async def run(console: Console) -> None:
    """Prints the tables. The simulations run in threads: they have event loops of their own."""
    console.print(
        f"Simulated clock: {MINUTES} minutes each, {len(MAILBOXES)} mailboxes, {INSTANCES} "
        "instances; a hand-over takes 20 to 150 ms, a storage transaction 5 to 30 ms.\n"
    )
    saturated = await asyncio.to_thread(simulate, _saturate)
    _print_saturated(console, saturated)
    blocked = await asyncio.to_thread(simulate, _nearly_saturate, block=True)
    _print_blocked(console, blocked)
    one = [
        await asyncio.to_thread(simulate, _one_backlog, pool=MAILBOXES[:1], instances=instances)
        for instances in (1, 2, 3)
    ]
    _print_one(console, one)
    light = await asyncio.to_thread(simulate, _trickle)
    runs = {"saturated": saturated, "90 %, one blocked": blocked, "1 mailbox, 1 instance": one[0],
            "1 mailbox, 3 instances": one[2], "2 a minute": light}  # fmt: skip
    _print_costs(console, runs)


def simulate(
    feed: Feed,
    *,
    pool: tuple[str, ...] = MAILBOXES,
    instances: int = INSTANCES,
    minutes: float = MINUTES,
    block: bool = False,
    seed: int = SEED,
) -> Run:
    """So much virtual time."""
    started = time.perf_counter()

    async def main() -> Run:
        random = Random(seed)
        table = MemoryTable(latency=lambda: random.uniform(0.005, 0.030))
        suppressions = MemoryTable(latency=lambda: random.uniform(0.005, 0.030))
        await Suppressed(suppressions).fill(SUPPRESSED)
        suppressions.transactions.clear()
        server = Server(Limits.of_licences(LICENCES))
        if block:
            server.blocked[BLOCKED] = (BLOCK_FROM * 60, BLOCK_UNTIL * 60)
        limits = QuotaLimits(external=tenant_external_limit(LICENCES) * 80 // 100)
        post = Post(lambda: random.uniform(0.005, 0.030))
        crew = fleet(
            table, suppressions, limits, instances=instances, post=post, server=server,
            random=random,
        )  # fmt: skip
        tasks = [asyncio.ensure_future(feed(Fleet(crew, pool, random)))]
        tasks += [asyncio.create_task(instance.start()) for instance in crew]
        await asyncio.wait(tasks, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        return Run(server, post, table, suppressions)

    run = run_virtual(main)
    return replace(run, seconds=time.perf_counter() - started)


async def _saturate(fleet: Fleet) -> None:
    """More than the hour can take: normal and low at the start, a high one each second."""
    for batch in range(int(CAPACITY * 1.4) // 500):
        await fleet.accept("low" if batch % 3 == 2 else "normal", 500)
    while True:
        await asyncio.sleep(fleet.random.expovariate(1.0))
        await fleet.accept("high", 1)


async def _nearly_saturate(fleet: Fleet) -> None:
    """Nine tenths of what the mailboxes can take, evenly, as it comes."""
    async with asyncio.TaskGroup() as requests:
        while True:
            await asyncio.sleep(fleet.random.expovariate(0.9 * RATE * len(MAILBOXES) / 60))
            requests.create_task(fleet.accept("normal", 1))


async def _one_backlog(fleet: Fleet) -> None:
    """5,000 normal messages, and a high one each 20 seconds or so."""
    for _ in range(10):
        await fleet.accept("normal", 500)
    while True:
        await asyncio.sleep(fleet.random.uniform(15, 25))
        await fleet.accept("high", 1)


async def _trickle(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(fleet.random.expovariate(2 / 60))
        await fleet.accept("normal", 1)


def waits(run: Run, lane: Lane) -> list[float]:
    """Seconds from acceptance to the server's reply, in order."""
    return sorted(at - m.accepted for at, _, m in run.server.taken if m.lane == lane)


def _wait(run: Run, lane: Lane) -> str:
    found = waits(run, lane)
    return f"{found[len(found) // 2]:.1f} / {found[-1]:.1f}" if found else "–"


def _print_saturated(console: Console, run: Run) -> None:
    table = Table("saturated", "", title="A backlog of 140 % of the hour, and 60 high a minute")
    lanes = Counter(message.lane for _, _, message in run.server.taken)
    table.add_row("handed over", f"{run.sent} of {CAPACITY}: {run.sent / CAPACITY:.2%}")
    table.add_row("of them high, normal, low", ", ".join(str(lanes[x]) for x in LANES))
    table.add_row("over-limit submissions seen by the server", str(run.server.over_limit))
    table.add_row("replies delayed or refused by its limits", str(run.server.throttled))
    most = max(run.server.counters.concurrent_max.values())
    table.add_row("most connections of one mailbox", f"{most} of 3")
    for lane in LANES:
        table.add_row(f"{lane}: seconds to hand-over, median / longest", _wait(run, lane))
    passes = run.passes
    table.add_row(
        "passes of the queue, mean / most", f"{sum(passes) / run.sent:.2f} / {max(passes)}"
    )
    console.print(table)


def _print_blocked(console: Console, run: Run) -> None:
    table = Table(
        "minutes", "a minute, all", f"{BLOCKED}", "each other, mean",
        title=f"90 % of capacity; {BLOCKED} answers 550 5.2.251 from minute {BLOCK_FROM:.0f} to "
        f"{BLOCK_UNTIL:.0f}",
    )  # fmt: skip
    for start in range(0, MINUTES, 5):
        sent = Counter(
            mailbox for at, mailbox, _ in run.server.taken if start * 60 <= at < start * 60 + 300
        )
        others = (sent.total() - sent[BLOCKED]) / (len(MAILBOXES) - 1)
        table.add_row(
            f"{start}–{start + 5}", f"{sent.total() / 5:.0f}", f"{sent[BLOCKED] / 5:.1f}",
            f"{others / 5:.1f}",
        )  # fmt: skip
    console.print(
        table,
        f"{run.server.refused} submissions met the block (sessions in flight, then probes); "
        f"over-limit {run.server.over_limit}, delayed {run.server.throttled}. Seconds to hand-over,"
        f" median / longest: {_wait(run, 'normal')}.\n",
    )


def _print_one(console: Console, runs: list[Run]) -> None:
    table = Table("1 mailbox, 5,000 normal waiting, 3 high a minute", "1 instance", "2", "3")
    capacity = RATE * MINUTES
    table.add_row(
        "handed over", *(f"{r.sent} of {capacity}: {r.sent / capacity:.2%}" for r in runs)
    )
    table.add_row("over-limit", *(str(r.server.over_limit) for r in runs))
    for lane in LANES[:2]:
        table.add_row(f"{lane}: seconds, median / longest", *(_wait(r, lane) for r in runs))
    table.add_row("passes, mean", *(f"{sum(r.passes) / r.sent:.2f}" for r in runs))
    console.print(table)


def _print_costs(console: Console, runs: dict[str, Run]) -> None:
    table = Table("a message", *runs, title="Storage transactions, acceptance to final status")
    costs = [run.costs() for run in runs.values()]
    for name in costs[0]:
        table.add_row(name, *(f"{cost[name]:.2f}" for cost in costs))
    table.add_row("in all", *(f"{sum(cost.values()):.2f}" for cost in costs))
    lost = (run.table.lost["write"] / run.sent for run in runs.values())
    table.add_row("of them lost races", *(f"{count:.3f}" for count in lost))
    table.add_row("simulated in, s", *(f"{run.seconds:.0f}" for run in runs.values()))
    console.print(table)
