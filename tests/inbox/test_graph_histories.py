"""Any history of a mailbox: what arrives, what is read by people, moved, forgotten, and crashes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.certificates import LocalAuthority
from local.entra import SigningKeys
from tests.inbox.test_crash import Fuse, _Crash
from tests.inbox.world import BILLING, GraphWorld, Reading, mail
from tests.storage.account import StoppedClock

type Event = tuple[str, int]

EVENTS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(1, 60)),
    st.tuples(st.just("old"), st.integers(0, 29 * 24)),
    st.tuples(st.just("run"), st.just(0)),
    st.tuples(st.just("crash"), st.integers(0, 30)),
    st.tuples(st.just("look"), st.integers(0, 5)),
    st.tuples(st.just("forget"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 3 * 24 * 60)),
)


class History:
    """Plays events on a mailbox. `arrived`: the mails that must be handed over."""

    def __init__(self, graph: GraphWorld) -> None:
        self.graph = graph
        self.reading = Reading(graph.clock)
        self.arrived: set[int] = set()
        self.may_repeat = False
        self._began = False

    async def play(self, events: Sequence[Event]) -> None:
        for what, number in events:
            await getattr(self, what)(number)
        for _ in range(2 + len(self.arrived) // 10):
            await self.run(0)

    async def arrive(self, number: int) -> None:
        for _ in range(number):
            self._deliver(timedelta(0))

    async def old(self, hours: int) -> None:
        """A mail that was there before anything was read; later ones arrive when they arrive."""
        if not self._began:
            self._deliver(timedelta(hours=hours))

    async def run(self, _: int) -> None:
        self._began = True
        reader = self.reading.reader(
            self.graph.source(), MAILROOM_RETURNED_PER_RUN="25", MAILROOM_RETURNED_LOOKBACK="365"
        )
        for run in await reader.run():
            assert run.problem == ""

    async def crash(self, steps: int) -> None:
        self.may_repeat = True
        self.reading.table.fault = Fuse(steps)
        with suppress(_Crash):
            await self.run(0)
        self.reading.table.fault = lambda _: None
        self.graph.clock.advance(seconds=121)

    async def look(self, number: int) -> None:
        """A person looks at some mails."""
        for one in self.graph.billing.mails()[:number]:
            self.graph.billing.mark(one, is_read=not one.is_read)

    async def forget(self, _: int) -> None:
        self.may_repeat = True
        self.graph.server.deltas.forget()

    async def wait(self, minutes: int) -> None:
        self.graph.clock.advance(minutes=minutes)

    def _deliver(self, age: timedelta) -> None:
        number = len(self.arrived)
        self.graph.billing.deliver(mail(number), received_at=self.graph.clock() - age)
        self.arrived.add(number)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=st.lists(EVENTS, max_size=12))
@pytest.mark.timeout(300)
def test_each_mail_is_handed_over_and_once_unless_something_broke(
    authority: LocalAuthority, signing_keys: SigningKeys, events: list[Event]
) -> None:
    async def play() -> History:
        graph = GraphWorld(authority, signing_keys, StoppedClock())
        await graph.server.start()
        history = History(graph)
        await history.play(events)
        await graph.server.stop()
        return history

    history = asyncio.run(play())
    times: Counter[int] = history.reading.intake.times
    assert set(times) == history.arrived
    if not history.may_repeat:
        assert set(times.values()) <= {1}
    assert {one.mailbox for one in history.reading.intake.taken} <= {BILLING}
