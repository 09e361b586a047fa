"""Mailroom under whatever can happen to it, in any order: nothing lost, no silent double.

Hypothesis chooses what happens: requests, deliveries by two processes, deaths at any step of
storage or SMTP, troubles of storage, refusals and breaks of the server, and time. A model holds
what each message may come to. At the end of each run all troubles end, and everything must settle.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bench.virtual import VirtualLoop, virtual_now
from shared.errors import ChangedError, ConflictError, StorageUnavailableError
from shared.messages.identity import keyed_message_id
from shared.messages.ledger import _record
from shared.messages.record import FINAL_STATUSES, MessageRecord
from shared.settings import load_settings
from shared.storage.names import OUTBOUND_MAIL, POISON
from shared.storage.tables import Row
from tests.faults.mail_server import CUT, IGNORE, SILENT, TAKE_AND_CUT, MailServer
from tests.faults.memory import Account, Trouble
from tests.faults.process import QUEUES, Process, Turnstile, message_json

LONG = os.environ.get("MAILROOM_LONG") == "1"

TROUBLES: tuple[Trouble, ...] = (
    "die before", "die half-way", "die after", "fail", "lose the answer", "do it twice",
)  # fmt: skip
LATER = "451 4.7.0 Temporary server error"
QUOTA = "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException"
THROTTLED = "550 5.2.251 Sender throttled due to continuous invalid recipients"
BUSY = "421 4.3.2 Service not active"
ORDERS = tuple(
    (stage, what)
    for stage, orders in {
        "open": (CUT, BUSY, "535 5.7.3 Authentication unsuccessful", "432 4.3.2 Too many"),
        "mail": (CUT, LATER, BUSY, THROTTLED),
        "rcpt": (CUT, "550 5.1.1 No such user", "452 4.2.2 Mailbox full", BUSY),
        "data": (CUT, LATER, "554 5.7.1 Refused by policy"),
        "end": (
            CUT, TAKE_AND_CUT, TAKE_AND_CUT, SILENT, IGNORE, LATER, BUSY, QUOTA,
            "554 5.7.1 Refused by policy",
        ),
    }.items()
    for what in orders
)  # fmt: skip
SEEDS = st.integers(0, 2**32)
SPANS = (0.003, 0.02, 0.1, 0.4, 2.0, 10.0, 70.0, 130.0, 700.0)
PRIORITIES = ("high", "normal", "normal", "low")

MAY_BECOME: dict[str, set[str]] = {
    "": {"scheduled", "queued", "failed"},
    "scheduled": {"scheduled", "queued", "sending", "failed", "cancelled"},
    "queued": {"queued", "sending", "sent", "failed", "cancelled"},
    "sending": {"sending", "queued", "sent", "failed", "unknown"},
    # Its owner comes back after all and tells what it knows; or an operator resolves it.
    "unknown": {"sent", "failed", "queued", "unknown"},
    "sent": {"sent"},
    "failed": {"failed"},
    "cancelled": {"cancelled"},
}


@dataclass
class Story:
    """What is known of one message from its committed changes, and from who dealt with it."""

    statuses: list[str] = field(default_factory=list)
    unknowns: int = 0  # how often it was left in doubt
    resends: int = 0  # how often an operator said to send it again
    resolved: bool = False
    cancelled: bool = False  # somebody was told so


@dataclass
class Figures:
    """What all runs together have seen."""

    counts: Counter[str] = field(default_factory=Counter)
    obeyed: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))


figures = Figures()


class Mailroom(RuleBasedStateMachine):
    """Two processes on one account."""

    doubt = "hold"
    skews = (0.0, 0.0)

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.settings = load_settings(
            {
                "MAILROOM_SENDERS": json.dumps(
                    {"billing@contoso.test": ["billing@contoso.test", "alerts@contoso.test"]}
                ),
                "MAILROOM_TENANT_ID": "11111111-1111-1111-1111-111111111111",
                "MAILROOM_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "MAILROOM_UNKNOWN": self.doubt,
            }
        )
        self.account = Account(virtual_now)
        self.account.commits.append(self.committed)
        self.stories: dict[str, Story] = {}
        self.records: dict[str, MessageRecord] = {}
        self.wrong: list[str] = []
        self.keys: dict[str, bytes] = {}
        self.accepted: dict[str, str] = {}  # id by key: those that were answered 202
        self.dropped: dict[str, tuple[str, bytes]] = {}  # (own id, body) by queue message
        self.graves: list[Process] = []
        self.numbers = 0
        self.steps = 0

    @initialize(seed=st.integers(0, 2**32), chunking=st.booleans())
    def begin(self, seed: int, chunking: bool) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.server = MailServer(self.random)
        self.server.chunking = chunking
        self.turnstile = Turnstile(self.random)
        self.processes = [self.new_process(skew) for skew in self.skews]
        for priority in PRIORITIES:
            self.accept(0, 2, priority, None)

    def new_process(self, skew: float) -> Process:
        return Process(
            self.settings, self.account, self.server, self.turnstile, self.random, skew=skew
        )

    def chance(self, drawn: int) -> Random:
        """Hypothesis draws the same numbers again and again: what follows from them differs."""
        self.steps += 1
        return Random(f"{self.seed} {self.steps} {drawn}")

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    # What is watched

    def committed(self, _before: Row | None, after: Row | None) -> None:
        """Each change of a record, at the moment at which it becomes true."""
        if after is None or not after.key.startswith("message-"):
            return
        message_id = after.key.removeprefix("message-")
        record = _record(message_id, after)
        story = self.stories.setdefault(message_id, Story())
        was = story.statuses[-1] if story.statuses else ""
        before = self.records.get(message_id)
        if record.status not in MAY_BECOME[was]:
            self.wrong.append(f"{message_id}: {was or 'nothing'} became {record.status}")
        if was == record.status == "sending" and before and before.owner != record.owner:
            self.wrong.append(f"{message_id}: taken from its owner")
        in_doubt = sum(entry.type == "unknown" for entry in record.history)
        if in_doubt > story.unknowns and was not in {"sending", "unknown"}:
            self.wrong.append(f"{message_id}: in doubt, though nobody was handing it over")
        story.unknowns = max(story.unknowns, in_doubt)
        if was != record.status:
            story.statuses.append(record.status)
        for recipient in record.recipients:
            taken = self.server.accepted[message_id, recipient.email]
            if recipient.status == "sent" and not taken and not story.resolved:
                self.wrong.append(f"{message_id}: sent, though the server has nothing")
        self.records[message_id] = record

    @invariant()
    def holds(self) -> None:
        """What is true at any time."""
        assert not self.wrong, self.wrong
        for process in [*getattr(self, "processes", ()), *self.graves]:
            assert not process.troubles, process.troubles
        for (message_id, recipient), times in getattr(self, "server_accepted", dict)().items():
            story = self.stories[message_id]
            allowed = 1 + story.resends + (story.unknowns if self.doubt == "resend" else 0)
            assert times <= allowed, f"{message_id} went {times} times to {recipient}"
        for message_id, record in self.records.items():
            story = self.stories[message_id]
            if record.status in {"cancelled", "failed"} and not (story.unknowns or story.resolved):
                for recipient in record.recipients:
                    if recipient.status != "sent":
                        taken = self.server.accepted[message_id, recipient.email]
                        assert not taken, f"{message_id} is {record.status}, and was sent"

    def server_accepted(self) -> Counter[tuple[str, str]]:
        return self.server.accepted if hasattr(self, "server") else Counter()

    # What callers do

    async def ask[T](self, process: Process, work: Awaitable[T]) -> T | None:
        """The answer of a process, or None if none came."""

        async def whole() -> T:
            return await work

        task = process.start(whole())
        await asyncio.wait({task}, timeout=8)
        if not task.done() or not process.alive:
            return None
        try:
            return task.result()
        except (StorageUnavailableError, ChangedError):
            return None

    def pick(self, number: int) -> Process:
        return self.processes[number % len(self.processes)]

    @rule(
        by=st.integers(0, 1),
        recipients=st.integers(1, 3),
        priority=st.sampled_from(PRIORITIES),
        ahead=st.sampled_from((None, None, None, 30, 4000)),
    )
    def accept(self, by: int, recipients: int, priority: str, ahead: int | None) -> None:
        """A new message, with an idempotency key."""
        self.numbers += 1
        send_at = None
        if ahead is not None:
            self.run(asyncio.sleep(0))
            send_at = self.run(_now_and(ahead)).isoformat()
        body = message_json(self.numbers, recipients=recipients, priority=priority, send_at=send_at)
        key = f"key-{self.numbers}"
        self.keys[key] = body
        self.give(by, key, body)

    @rule(by=st.integers(0, 1))
    def accept_without_key(self, by: int) -> None:
        """A new message that cannot be told from another: each request is one."""
        self.numbers += 1
        body = message_json(self.numbers, recipients=1, priority="normal", send_at=None)
        process = self.pick(by)
        answer = self.run(self.ask(process, process.acceptance.accept(body, key=None)))
        if answer is not None:
            self.accepted[f"none-{self.numbers}"] = answer.id

    def give(self, by: int, key: str, body: bytes) -> None:
        process = self.pick(by)
        answer = self.run(self.ask(process, process.acceptance.accept(body, key=key)))
        if answer is not None:
            assert answer.id == keyed_message_id("", key)
            assert answer.repeated or key not in self.accepted
            self.accepted[key] = answer.id

    @precondition(lambda self: self.keys)
    @rule(by=st.integers(0, 1), data=st.data())
    def repeat(self, by: int, data: Any) -> None:
        """The same request again, whether or not it was answered."""
        key = data.draw(st.sampled_from(sorted(self.keys)))
        self.give(by, key, self.keys[key])

    @precondition(lambda self: self.keys.keys() & self.accepted.keys())
    @rule(by=st.integers(0, 1), data=st.data())
    def give_another_with_the_same_key(self, by: int, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys.keys() & self.accepted.keys())))
        process = self.pick(by)
        body = message_json(0, recipients=1, priority="normal", send_at=None)
        try:
            answer = self.run(self.ask(process, process.acceptance.accept(body, key=key)))
        except ConflictError:
            process.troubles = [e for e in process.troubles if not isinstance(e, ConflictError)]
            return
        assert answer is None, "another message was accepted under a key that is taken"

    @rule(named=st.booleans(), recipients=st.integers(1, 2))
    def drop(self, named: bool, recipients: int) -> None:
        """Another service puts a message on the queue itself."""
        self.numbers += 1
        body = message_json(self.numbers, recipients=recipients, priority="normal", send_at=None)
        own = f"own-{self.numbers}" if named else ""
        if named:
            body = json.dumps({**json.loads(body), "id": own}).encode()
        self.run(self.put(own, body))

    async def put(self, own: str, body: bytes) -> None:
        queue_id = self.account.put(OUTBOUND_MAIL, body.decode())
        self.dropped[queue_id] = own, body

    @precondition(lambda self: self.dropped)
    @rule(data=st.data())
    def drop_again(self, data: Any) -> None:
        """The same with its own id: it is the same message."""
        own, body = data.draw(st.sampled_from(sorted(self.dropped.values())))
        if own:
            self.run(self.put(own, body))

    @precondition(lambda self: self.records)
    @rule(by=st.integers(0, 1), data=st.data())
    def cancel(self, by: int, data: Any) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.records)))
        process = self.pick(by)
        try:
            answer = self.run(self.ask(process, process.cancellation.cancel(message_id)))
        except ConflictError:
            process.troubles = [e for e in process.troubles if not isinstance(e, ConflictError)]
            return
        if answer is not None:
            self.stories[message_id].cancelled = True

    @precondition(lambda self: any(r.status == "unknown" for r in self.records.values()))
    @rule(by=st.integers(0, 1), resend=st.booleans(), data=st.data())
    def resolve(self, by: int, resend: bool, data: Any) -> None:
        """An operator has looked into Sent Items, or does not care for a second copy."""
        unknown = sorted(i for i, r in self.records.items() if r.status == "unknown")
        message_id = data.draw(st.sampled_from(unknown))
        process, story = self.pick(by), self.stories[message_id]
        there = any(self.server.accepted[message_id, r.email]
                    for r in self.records[message_id].recipients if r.open)  # fmt: skip
        verdict: Any = "resend" if resend else ("sent" if there else "failed")
        story.resolved = True
        story.resends += resend
        try:
            self.run(self.ask(process, process.resolution.resolve(message_id, verdict)))
        except ConflictError:
            process.troubles = [e for e in process.troubles if not isinstance(e, ConflictError)]

    # What happens to it

    @rule(seed=SEEDS)
    def deliver(self, seed: int) -> None:
        """Processes begin with what is visible, and meet something; afterwards they may be
        anywhere in it."""
        chance = self.chance(seed)
        by = chance.choice(((0,), (1,), (0, 1)))
        for _ in range(chance.randrange(4)):
            self.accept(by[0], chance.randint(1, 3), chance.choice(PRIORITIES), None)
        if chance.random() < 0.6:
            self.pick(by[0]).line.plan(chance.randint(1, 20), chance.choice(TROUBLES))
        for _ in range(chance.randrange(3)):
            self.server.order(*chance.choice(ORDERS))
        processes = [self.pick(number) for number in by]
        self.run(self.delivered(processes, chance.randint(1, 6), chance.choice(SPANS)))

    @rule(seed=SEEDS)
    def deliver_more(self, seed: int) -> None:
        """The same: it is what should happen most often."""
        self.deliver(seed)

    @rule(seed=SEEDS)
    def go_on(self, seed: int) -> None:
        """Retries become due, and meet something again."""
        self.run(asyncio.sleep(40))
        self.deliver(seed)

    async def delivered(self, processes: list[Process], most: int, span: float) -> None:
        for process in processes:
            for queue in QUEUES:
                await process.take(queue, most)
                await process.take(queue + POISON, 1)
        await asyncio.sleep(span)

    @precondition(lambda self: self.records)
    @rule(by=st.integers(0, 1), data=st.data(), span=st.sampled_from(SPANS))
    def deliver_a_duplicate(self, by: int, data: Any, span: float) -> None:
        """A queue message comes that came before, or whose claim ran out."""
        message_id = data.draw(st.sampled_from(sorted(self.records)))

        async def both() -> None:
            process = self.pick(by)
            process.start(process.delivery.deliver(message_id))
            await asyncio.sleep(span)

        self.run(both())

    @rule(span=st.sampled_from(SPANS))
    def pass_time(self, span: float) -> None:
        self.run(asyncio.sleep(span))

    @rule(by=st.integers(0, 1), span=st.sampled_from(SPANS))
    def reconcile(self, by: int, span: float) -> None:
        async def both() -> None:
            process = self.pick(by)
            process.start(process.reconcile())
            await asyncio.sleep(span)

        self.run(both())

    @rule(seed=SEEDS)
    def trouble(self, seed: int) -> None:
        """Something goes wrong some time from now."""
        chance = self.chance(seed)
        line, steps = self.pick(chance.randrange(2)).line, chance.randint(1, 20)
        match chance.randrange(8):
            case 0:
                line.plan(steps, chance.choice(TROUBLES))
            case 1:
                for step in range(chance.randint(3, 12)):  # storage is away for a while
                    line.plan(steps + step, "fail")
            case 2:
                self.turnstile.none += 2
            case 3:
                self.turnstile.closed_until = self.run(_now_and(60))
            case 4:
                self.turnstile.errors.append(StorageUnavailableError("Storage failed: 503."))
            case 5:
                self.turnstile.errors.append(ChangedError("Too many instances at once."))
            case _:
                self.server.order(*chance.choice(ORDERS))

    @rule(by=st.integers(0, 1))
    def kill_and_start(self, by: int) -> None:
        self.kill(by)

    @precondition(lambda self: any(not p.alive for p in self.processes))
    @rule()
    def start_the_dead(self) -> None:
        for number, process in enumerate(self.processes):
            if not process.alive:
                self.kill(number)

    def kill(self, number: int) -> None:
        self.processes[number].line.kill()
        self.graves.append(self.processes[number])
        self.processes[number] = self.new_process(self.skews[number])

    # The end

    def teardown(self) -> None:
        try:
            if hasattr(self, "server"):
                self.settle()
        finally:
            self.bury()

    def settle(self) -> None:
        """All troubles end; time passes. Then everything is final, and what was told is true."""
        self.server.orders.clear()
        self.turnstile.clear()
        for number, process in enumerate(self.processes):
            process.line.clear()
            if not process.alive:
                self.kill(number)
        for turn in range(60):
            if self.run(self.turn(150.0 if turn < 40 else 3600.0)):
                break
        self.holds()
        open_ = {i: r.status for i, r in self.records.items() if r.status not in FINAL_STATUSES}
        assert not open_, f"never settled: {open_}"
        for key, message_id in self.accepted.items():
            assert message_id in self.records, f"lost: {key}"
        for queue_id, (own, _) in self.dropped.items():
            assert self.found(own, queue_id), f"lost from the queue: {queue_id}"
        for message_id, story in self.stories.items():
            record = self.records[message_id]
            if story.cancelled:
                assert record.status == "cancelled", f"{message_id} was cancelled: {record.status}"
            if record.status == "sent" and not story.resolved:
                assert all(r.status in {"sent", "rejected"} for r in record.recipients)
            self.count(message_id, story)
        figures.counts["runs"] += 1
        figures.counts["orders of the server"] += self.server.obeyed.total()
        figures.obeyed += self.server.obeyed

    def found(self, own: str, queue_id: str) -> bool:
        if own:
            return own in self.records
        if keyed_message_id("queue", queue_id) in self.records:
            return True
        # Poisoned before it was recorded: its id follows from that of the poison message.
        return any(r.status == "failed" and r.source == "queue" for r in self.records.values())

    async def turn(self, span: float) -> bool:
        for process in self.processes:
            process.start(process.reconcile())
            for queue in QUEUES:
                await process.take(queue, 20)
                await process.take(queue + POISON, 20)
        await asyncio.sleep(span)
        waiting = any(self.account.queues.get(q + p) for q in QUEUES for p in ("", POISON))
        return not waiting and all(r.final for r in self.records.values())

    def count(self, message_id: str, story: Story) -> None:
        figures.counts["messages"] += 1
        figures.counts[f"ended {story.statuses[-1]}"] += 1
        figures.counts["left in doubt"] += bool(story.unknowns)
        recipients = [r.email for r in self.records[message_id].recipients]
        most = max((self.server.accepted[message_id, r] for r in recipients), default=0)
        if most > 1:
            figures.counts["sent again by choice"] += 1

    def bury(self) -> None:
        processes = [*getattr(self, "processes", ()), *self.graves]
        figures.counts["deaths"] += len(self.graves)
        for process in processes:
            process.bury()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.run(_ended(left))
        self.loop.close()


async def _now_and(seconds: float) -> Any:
    return virtual_now() + timedelta(seconds=seconds)


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


class Resending(Mailroom):
    """What is in doubt is sent again, which may double it: but never without a trace."""

    doubt = "resend"


class Apart(Mailroom):
    """The clocks of the two processes are ten minutes apart."""

    skews = (-300.0, 300.0)


@contextmanager
def told(capsys: pytest.CaptureFixture[str], what: str) -> Iterator[None]:
    figures.counts.clear()
    yield
    with capsys.disabled():
        print(f"\n{what}: {figures}")


@pytest.mark.timeout(1800 if LONG else 120)
@pytest.mark.parametrize(
    ("machine", "examples"),
    [(Mailroom, 40), (Apart, 15), (Resending, 15)],
    ids=["hold", "clocks apart", "resend"],
)
def test_nothing_is_lost_and_nothing_silently_doubled(
    machine: type[Mailroom], examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with told(capsys, machine.__name__):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples * (20 if LONG else 1),
                stateful_step_count=50,
                deadline=None,
                derandomize=True,
                database=None,
                # Shrinking takes minutes: for whoever looks for the cause.
                phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
    # The runs did meet what they are about.
    assert figures.counts["ended sent"] > figures.counts["runs"]
    assert figures.counts["deaths"] > figures.counts["runs"] / 4
